"""Finding profiles, and bringing them up and down."""

from __future__ import annotations

import contextlib
import os
import time

from ..node import IP, Port, machine, read, run, write
from . import profiles
from .answers import INVALID, NOT_FOUND, Refused
from .profiles import Profile


def all_profiles() -> list[Profile]:
    paths = []
    for folder in (profiles.FOLDER, profiles.VOLATILE):
        with contextlib.suppress(OSError):
            names = sorted(os.listdir(folder))
            paths += [f"{folder}/{n}" for n in names if n.endswith(".nmconnection")]
    paths.sort(key=len)  # of profiles with the same name, the first is taken
    return [profiles.parse(path, read(path)) for path in paths]


def active() -> dict[str, str]:
    """The UUID of the active profile, by device."""
    lines = [line.split() for line in read(profiles.ACTIVE).splitlines()]
    return {line[0]: line[1] for line in lines if len(line) == 2}


def keep_active(now: dict[str, str]) -> None:
    os.makedirs("/run/NetworkManager", exist_ok=True)
    write(profiles.ACTIVE, "".join(f"{device} {uuid}\n" for device, uuid in now.items()))


def find(words: list[str]) -> Profile:
    kind = words.pop(0) if words and words[0] in ("id", "uuid", "path") else ""
    if not words:
        raise Refused("Error: No connection specified.", INVALID)
    wanted = words.pop(0)
    for profile in all_profiles():
        if (kind != "id" and profile.uuid == wanted) or (kind != "uuid" and profile.id == wanted):
            return profile
    raise Refused(f"Error: unknown connection '{wanted}'.", NOT_FOUND)


def save(profile: Profile) -> None:
    os.makedirs(profiles.FOLDER, exist_ok=True)
    if profile.file.startswith(profiles.VOLATILE):  # what is changed is kept
        os.unlink(profile.file)
        profile.file = profile.file.replace(profiles.VOLATILE, profiles.FOLDER)
    # Readable by all: there is no daemon, nmcli reads them itself (NetworkManager's have 0600).
    write(profile.file, profile.text)


def port_of(device: str) -> Port | None:
    return next((p for p in machine().ports if p.device == device), None)


def bring_up(profile: Profile, port: Port) -> None:
    lines = "".join(f"{line}\n" for line in profiles.activation(profile, port))
    run(IP, "-force", "-batch", "-", stdin=lines)
    keep_active({**active(), port.device: profile.uuid})
    if port.kind == "wifi":
        os.makedirs("/run/iw", exist_ok=True)
        write(f"/run/iw/{port.device}", "on\n" if profiles.power_save(profile) else "off\n")
    stamps = [s for s in read(profiles.TIMESTAMPS).splitlines() if not s.startswith(profile.uuid)]
    os.makedirs(os.path.dirname(profiles.TIMESTAMPS), exist_ok=True)
    write(
        profiles.TIMESTAMPS, "".join(f"{s}\n" for s in [*stamps, f"{profile.uuid}={time.time()}"])
    )


def bring_up_another(device: str) -> None:
    """Let a device whose profile is gone use the next one that fits."""
    port = port_of(device)
    profile = profiles.chosen(all_profiles(), device, {})
    if port is not None and profile is not None and device not in active():
        bring_up(profile, port)


def take_down(profile: Profile) -> None:
    now = active()
    for device, uuid in list(now.items()):
        if uuid == profile.uuid:
            run(IP, "-4", "address", "flush", "dev", device)
            del now[device]
            keep_active(now)
