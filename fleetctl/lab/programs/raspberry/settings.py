"""A profile as properties of nmcli, and `nmcli connection modify`."""

from __future__ import annotations

from ..node import number_of
from .answers import FAILED, INVALID, Refused
from .profiles import Profile


def settings_of(profile: Profile) -> dict[str, str]:
    """The profile as properties of nmcli."""
    found = {
        "connection.id": profile.id,
        "connection.uuid": profile.uuid,
        "connection.type": profile.type,
        "connection.interface-name": profile.device,
        "connection.autoconnect": "yes" if profile.autoconnect else "no",
        "connection.autoconnect-priority": profile.get("connection", "autoconnect-priority", "0"),
    }
    if profile.type == "802-11-wireless":
        found["802-11-wireless.ssid"] = profile.get("wifi", "ssid")
        found["802-11-wireless.powersave"] = profile.get("wifi", "powersave", "0")
    routes = [" ".join(part for part in route if part) for route in profile.routes]
    return found | {
        "ipv4.method": profile.get("ipv4", "method", "auto"),
        "ipv4.addresses": ", ".join(profile.addresses),
        "ipv4.gateway": profile.gateway,
        "ipv4.routes": ", ".join(routes),
        "ipv4.route-metric": profile.get("ipv4", "route-metric", "-1"),
        "ipv4.never-default": "yes" if profile.never_default else "no",
        "ipv4.dns": profile.get("ipv4", "dns").rstrip(";"),
    }


def change(profile: Profile, words: list[str]) -> None:
    if len(words) % 2:
        raise Refused(f"Error: Value for '{words[-1]}' is missing.", INVALID)
    for key, value in zip(words[::2], words[1::2]):
        sign = key[0] if key[:1] in "+-" else ""
        _put(profile, _alias(key.lstrip("+-")), sign, value.strip())
    if profile.get("ipv4", "method") == "manual" and not profile.addresses:
        raise Refused(
            f"Error: Failed to modify connection '{profile.id}': ipv4.addresses: "
            "this property cannot be empty for 'method=manual'",
            FAILED,
        )


def _alias(key: str) -> str:
    aliases = {
        "ip4": "ipv4.addresses", "gw4": "ipv4.gateway", "autoconnect": "connection.autoconnect",
        "con-name": "connection.id", "ifname": "connection.interface-name",
        "wifi.powersave": "802-11-wireless.powersave",
    }  # fmt: skip
    return aliases.get(key, key)


def _put(profile: Profile, key: str, sign: str, value: str) -> None:
    if key == "ipv4.addresses":
        new = [_checked_network(part) for part in value.replace(",", " ").split()]
        profile.put_numbered("address", _merged(profile.addresses, sign, new))
    elif key == "ipv4.routes":
        old = [",".join(part for part in route if part) for route in profile.routes]
        texts = [part.strip() for part in value.split(",") if part.strip()]
        new = [",".join([_checked_network(t.split()[0]), *t.split()[1:]]) for t in texts]
        if sign == "-" and value.isdigit():
            new = old[int(value) : int(value) + 1]
        profile.put_numbered("route", _merged(old, sign, new))
    elif key in (
        "ipv4.never-default",
        "connection.autoconnect",
        "ipv4.may-fail",
        "ipv4.ignore-auto-routes",
    ):
        section, _, name = key.partition(".")
        profile.put(section, name, "true" if value in ("yes", "true", "on", "1") else "false")
    elif key in ("802-11-wireless.powersave", "802-11-wireless.ssid"):
        words = {"disable": "2", "enable": "3", "default": "0", "ignore": "1"}
        profile.put("wifi", key.partition(".")[2], words.get(value, value))
    elif key in ("connection.id", "connection.interface-name", "connection.autoconnect-priority",
                 "ipv4.method", "ipv4.gateway", "ipv4.route-metric", "ipv4.dns"):  # fmt: skip
        section, _, name = key.partition(".")
        if key == "ipv4.method" and value not in (
            "auto",
            "manual",
            "disabled",
            "link-local",
            "shared",
        ):
            raise Refused(
                f"Error: Failed to modify connection '{profile.id}': "
                "ipv4.method: property is invalid",
                FAILED,
            )
        profile.put(section, name, value or None)
    elif not key.startswith(("ipv6.", "802-3-ethernet.", "connection.")):
        raise Refused(f"Error: invalid property '{key.partition('.')[2] or key}'.", INVALID)


def _merged(old: list[str], sign: str, new: list[str]) -> list[str]:
    if sign == "+":
        return old + [value for value in new if value not in old]
    if sign == "-":
        return [value for value in old if value not in new]
    return new


def _checked_network(text: str) -> str:
    address, slash, length = text.partition("/")
    try:
        number_of(address)
        if slash and not 0 <= int(length) <= 32:
            raise ValueError(text)
    except ValueError:
        raise Refused(
            f"Error: failed to modify ipv4: invalid IP address: Invalid IPv4 address '{text}'",
            INVALID,
        ) from None
    return text if slash else f"{text}/32"
