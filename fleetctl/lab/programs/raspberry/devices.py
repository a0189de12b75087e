"""`nmcli device`: status, show, wifi, connect, disconnect, reapply."""

from __future__ import annotations

from ..node import IP, Port, machine, read, run, say
from . import profiles
from .activity import active, all_profiles, bring_up, take_down
from .answers import NOT_FOUND, Output, Refused, full, must_be_root


def device(out: Output, words: list[str]) -> int:
    verbs = {v: v for v in ("status", "show", "wifi", "connect", "disconnect", "reapply")}
    verb = full(words.pop(0), verbs) if words else "status"
    if verb == "status":
        rows = [_device_row(p) for p in machine().ports]
        state = "connected (externally)"
        rows.append({"DEVICE": "lo", "TYPE": "loopback", "STATE": state, "CONNECTION": "lo"})
        out.table(["DEVICE", "TYPE", "STATE", "CONNECTION"], rows)
        return 0
    if verb == "wifi":
        row = {"ACTIVE": "yes", "IN-USE": "*", "SSID": "Home", "BSSID": "00:00:00:00:00:01",
               "MODE": "Infra",
               "CHAN": "36", "RATE": "270 Mbit/s", "SIGNAL": "80", "SECURITY": "WPA2"}  # fmt: skip
        joined = any(p.kind == "wifi" and _carrier(p.device) for p in machine().ports)
        columns = ["IN-USE", "BSSID", "SSID", "MODE", "CHAN", "RATE", "SIGNAL", "SECURITY"]
        out.table(columns, [row] if joined else [])
        return 0
    for port in machine().ports:
        if words and port.device != words[0]:
            continue
        row = _device_row(port)
        if verb == "show":
            _device_details(out, port, row)
            continue
        must_be_root("Error: not authorized to control networking.")
        profile = next((p for p in all_profiles() if p.uuid == active().get(port.device)), None)
        if verb == "disconnect" and profile:
            take_down(profile)
            say(f"Device '{port.device}' successfully disconnected.")
        elif profile or (profile := profiles.chosen(all_profiles(), port.device, {})):
            bring_up(profile, port)
            say(f"Device '{port.device}' successfully activated with '{profile.uuid}'.")
        return 0
    if words and words[0] not in [p.device for p in machine().ports]:
        raise Refused(f"Error: Device '{words[0]}' not found.", NOT_FOUND)
    return 0


def _device_details(out: Output, port: Port, row: dict[str, str]) -> None:
    found = {
        "GENERAL.DEVICE": port.device, "GENERAL.TYPE": row["TYPE"],
        "GENERAL.HWADDR": port.mac.upper(),
        "GENERAL.STATE": "100 (connected)" if row["CONNECTION"] else "30 (disconnected)",
        "GENERAL.CONNECTION": row["CONNECTION"],
    }  # fmt: skip
    said = run(IP, "-4", "-o", "address", "show", "dev", port.device)[1]
    for number, line in enumerate(said.splitlines(), 1):
        found[f"IP4.ADDRESS[{number}]"] = line.split()[3]
    for name, value in found.items():
        if (
            not out.fields
            or name in out.fields
            or name.partition(".")[0] in out.fields
            or name.partition("[")[0] in out.fields
        ):
            say(
                out.row([value])
                if out.values_only
                else f"{name}:{out.row([value])}"
                if out.terse
                else f"{name + ':':40}{value or '--'}"
            )


def _carrier(device: str) -> bool:
    return read(f"/sys/class/net/{device}/carrier").strip() == "1"


def _has_address(device: str) -> bool:
    return bool(run(IP, "-4", "-o", "address", "show", "dev", device)[1])


def _device_row(port: Port) -> dict[str, str]:
    uuid = active().get(port.device, "")
    profile = next((p for p in all_profiles() if p.uuid == uuid), None)
    name = profile.id if profile else ""
    state = "connected" if name else "disconnected"
    if profile and profile.get("ipv4", "method") == "auto" and not _has_address(port.device):
        state = "connecting (getting IP configuration)"
    if not _carrier(port.device):
        state, name = "unavailable", ""
    kind = "wifi" if port.kind == "wifi" else "ethernet"
    return {"DEVICE": port.device, "TYPE": kind, "STATE": state, "CONNECTION": name}
