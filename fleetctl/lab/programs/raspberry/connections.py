"""`nmcli connection`: show, add, modify, up, down, delete."""

from __future__ import annotations

import os

from ..node import read, say
from . import profiles
from .activity import (
    active,
    all_profiles,
    bring_up,
    bring_up_another,
    find,
    port_of,
    save,
    take_down,
)
from .answers import (
    ACTIVATION_FAILED,
    INVALID,
    NOT_FOUND,
    Output,
    Refused,
    full,
    must_be_root,
)
from .profiles import Profile
from .settings import change, settings_of

BUS_PATH = "/org/freedesktop/NetworkManager/ActiveConnection"
KINDS = {
    "ethernet": "ethernet",
    "802-3-ethernet": "ethernet",
    "wifi": "wifi",
    "802-11-wireless": "wifi",
}


def connection(out: Output, words: list[str]) -> int:
    verbs = {v: v for v in ("show", "up", "down", "add", "modify", "delete", "reload", "load")}
    verb = full(words.pop(0), verbs) if words else "show"
    if verb == "show":
        return _show(out, [word for word in words if word != "--active"], "--active" in words)
    if verb == "reload":
        return 0
    if verb == "add":
        return _add(words)
    if verb == "up":
        return _up(words)
    profile = _to_delete(words) if verb == "delete" else find(words)
    if verb == "modify":
        must_be_root(f"Error: Failed to modify connection '{profile.id}': Insufficient privileges")
        change(profile, words)
        save(profile)
    elif verb == "delete":
        must_be_root(f"Error: Failed to delete connection '{profile.id}': Insufficient privileges")
        was_on = [device for device, uuid in active().items() if uuid == profile.uuid]
        take_down(profile)
        os.unlink(profile.file)
        for device in was_on:
            bring_up_another(device)
        say(f"Connection '{profile.id}' ({profile.uuid}) successfully deleted.")
    elif verb == "down":
        must_be_root("Error: not authorized to control networking.")
        if profile.uuid not in active().values():
            raise Refused(
                f"Error: '{profile.id}' is not an active connection.\n"
                "Error: no active connection provided.",
                NOT_FOUND,
            )
        take_down(profile)
        say(f"Connection '{profile.id}' successfully deactivated (D-Bus active path: {BUS_PATH}/1)")
    return 0


def _to_delete(words: list[str]) -> Profile:
    name = words[-1] if words else ""
    try:
        return find(words)
    except Refused as error:
        if error.status == NOT_FOUND:
            unknown = f"Error: cannot delete unknown connection(s): '{name}'."
            raise Refused(f"{error}\n{unknown}", NOT_FOUND) from None
        raise


def _show(out: Output, words: list[str], only_active: bool) -> int:
    on = {uuid: device for device, uuid in active().items()}
    if words:
        while words:
            profile = find(words)
            _details(out, profile, on.get(profile.uuid, ""))
        return 0
    rows = []
    for profile in sorted(all_profiles(), key=lambda p: (p.uuid not in on, p.id)):
        device = on.get(profile.uuid, "")
        if device or not only_active:
            rows.append(
                {
                    "NAME": profile.id, "UUID": profile.uuid, "TYPE": profile.type,
                    "DEVICE": device,
                    "AUTOCONNECT": "yes" if profile.autoconnect else "no",
                    "ACTIVE": "yes" if device else "no", "STATE": "activated" if device else "",
                    "AUTOCONNECT-PRIORITY": profile.get("connection", "autoconnect-priority", "0"),
                    "FILENAME": profile.file,
                }
            )  # fmt: skip
    out.table(["NAME", "UUID", "TYPE", "DEVICE"], rows)
    return 0


def _details(out: Output, profile: Profile, device: str) -> None:
    found = settings_of(profile)
    if device:
        found |= {"GENERAL.DEVICES": device, "GENERAL.STATE": "activated"}
    wanted = out.fields or list(found)
    for name in wanted:
        values = {k: v for k, v in found.items() if k == name or k.startswith(f"{name}.")}
        if not values and "." in name and name.partition(".")[0] not in ("GENERAL", "IP4", "ipv6"):
            raise Refused(f"Error: invalid field '{name}'; no such property.", INVALID)
        for key, value in values.items():
            if out.values_only:
                say(out.row([value]))
            elif out.terse:
                say(f"{key}:{out.row([value]) if out.escape else value}")
            else:
                say(f"{key + ':':40}{value or '--'}")


def _add(words: list[str]) -> int:
    given = dict(zip(words[::2], words[1::2]))
    must_be_root(
        f"Error: Failed to add '{given.get('con-name', '')}' connection: Insufficient privileges"
    )
    kind = KINDS.get(given.pop("type", given.get("connection.type", "")))
    device = given.pop("ifname", "")
    if kind is None or not device:
        missing = "type" if kind is None else "ifname"
        raise Refused(f"Error: '{missing}' argument is required.", INVALID)
    name = given.pop("con-name", f"{kind}-{device}")
    uuid = read("/proc/sys/kernel/random/uuid").strip()
    sections = {"connection": {"id": name, "uuid": uuid, "type": kind}}
    if device != "*":
        sections["connection"]["interface-name"] = device
    if kind == "wifi":
        sections["wifi"] = {"mode": "infrastructure", "ssid": given.pop("ssid", "")}
    sections["ipv4"] = {"method": "auto"}
    profile = Profile("", sections)
    change(profile, [word for pair in given.items() for word in pair])
    twins = sum(1 for known in all_profiles() if known.id == name)
    stem = name.replace("/", "*")
    profile.file = f"{profiles.FOLDER}/{stem}.nmconnection"
    if os.path.exists(profile.file):
        profile.file = f"{profiles.FOLDER}/{stem}-{uuid}.nmconnection"
    save(profile)
    if twins:
        plural = "is another connection" if twins == 1 else f"are {twins} other connections"
        say(
            f"Warning: There {plural} with the name '{name}'. "
            f"Reference the connection by its uuid '{uuid}'"
        )
    say(f"Connection '{name}' ({uuid}) successfully added.")
    port = port_of(device)
    if port is not None and profile.autoconnect and device not in active():
        bring_up(profile, port)
    return 0


def _up(words: list[str]) -> int:
    if words[:1] == ["ifname"] and len(words) == 2:
        device = words[1]
        candidates = [p for p in all_profiles() if p.device == device]
        if not candidates:
            raise Refused(
                f"Error: No suitable connection found for device '{device}'.", ACTIVATION_FAILED
            )
        profile = candidates[0]
    else:
        profile = find(words)
    must_be_root(
        "Error: Connection activation failed: Not authorized to control networking.",
        ACTIVATION_FAILED,
    )
    port = port_of(profile.device)
    if port is None:
        raise Refused(
            "Error: Connection activation failed: No suitable device found for this connection "
            "(device lo not available because device is strictly unmanaged).",
            ACTIVATION_FAILED,
        )
    bring_up(profile, port)
    say(f"Connection successfully activated (D-Bus active path: {BUS_PATH}/2)")
    return 0
