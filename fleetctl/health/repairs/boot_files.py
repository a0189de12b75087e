"""Files that keep a setting over a reboot: sysctl.d on Linux, a LaunchDaemon on macOS.

Each change starts from the file's present text, and its undo restores that.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from fleetctl.health.repairs import linux, macos
from fleetctl.health.repairs.target import RepairTarget, SetupChange
from fleetctl.model.setup import DAEMON_FILE, DAEMON_LABEL, SYSCTL_FILE, NetworkSetup
from fleetctl.model.status import RepairStep
from fleetctl.quoting import quote

DAEMON_TEXT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<plist version="1.0"><dict>\n'
    f"<key>Label</key><string>{DAEMON_LABEL}</string>\n"
    "<key>ProgramArguments</key><array><string>/usr/sbin/sysctl</string><string>-w</string>"
    f"<string>{macos.FORWARDING}=1</string></array>\n"
    "<key>RunAtLoad</key><true/>\n"
    "</dict></plist>\n"
)


def forwarding_on_linux(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Switch forwarding on at every boot, unless the node does so already."""
    if target.facts.network.forwarding_persistent:
        return SetupChange(setup)
    return _sysctl(setup, linux.FORWARDING, "1", "switches IPv4 forwarding on")


def loose_filter(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Let an interface accept packets that are answered over another interface, at every boot."""
    interface = target.finding.interface
    does = f"lets {interface} accept packets that are answered over another interface"
    return _sysctl(setup, linux.filter_key(interface), "2", does)


def _sysctl(setup: NetworkSetup, key: str, value: str, does: str) -> SetupChange:
    if "sysctl" in setup.unknown:
        note = f"not for good, because {SYSCTL_FILE} cannot be read: {setup.unknown['sysctl']}"
        return SetupChange(setup, notes=(note,))
    lines = (setup.sysctl or "").splitlines()
    # a key may be written with dots or slashes, and with blanks around "="
    any_form = "[./]".join(map(re.escape, re.split("[./]", key)))
    same = re.compile(rf"\s*-?\s*{any_form}\s*=\s*(.*?)\s*")
    matches = [m for line in lines if (m := same.fullmatch(line))]
    if matches and all(m[1] == value for m in matches):
        return SetupChange(setup)
    kept = [line for line in lines if not same.fullmatch(line)]
    text = "".join(f"{line}\n" for line in (*kept, f"{key} = {value}"))
    step = RepairStep(
        write_command(SYSCTL_FILE, text),
        f"{does} at every boot ({SYSCTL_FILE})",
        write_command(SYSCTL_FILE, setup.sysctl)
        if setup.sysctl is not None
        else f"sudo rm -f {SYSCTL_FILE}",
        lasts=True,
    )
    return SetupChange(replace(setup, sysctl=text), (step,))


def forwarding_on_macos(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """macOS was reported to ignore /etc/sysctl.conf, so a LaunchDaemon sets the flag."""
    if target.facts.network.forwarding_persistent:
        return SetupChange(setup)
    if "daemon" in setup.unknown:
        note = f"not for good, because {DAEMON_FILE} cannot be read: {setup.unknown['daemon']}"
        return SetupChange(setup, notes=(note,))
    if setup.daemon == DAEMON_TEXT:
        return SetupChange(setup)
    former = setup.daemon
    file = RepairStep(
        write_command(DAEMON_FILE, DAEMON_TEXT),
        f"adds a LaunchDaemon that switches IPv4 forwarding on at every boot ({DAEMON_FILE})",
        f"sudo rm -f {DAEMON_FILE}" if former is None else write_command(DAEMON_FILE, former),
        lasts=True,
    )
    changed = replace(setup, daemon=DAEMON_TEXT)
    if former is not None:  # its label is loaded already; the next boot reads the new file
        return SetupChange(changed, (file,))
    load = RepairStep(
        f"sudo launchctl bootstrap system {DAEMON_FILE}",
        "loads that LaunchDaemon now",
        f"sudo launchctl bootout system/{DAEMON_LABEL}",
        lasts=True,
    )
    return SetupChange(changed, (file, load))


def write_command(path: str, text: str, *, folder: str = "") -> str:
    """A shell line that atomically writes ``text`` to ``path``, owned by root, readable by all.

    :param folder: made first, if it is not there.
    """
    made = f"mkdir -p {folder} && " if folder else ""
    put = f"{printed(text)} >$f.new" if text else ": >$f.new"
    # 0:0 is root:wheel on macOS
    owned = "chmod 644 $f.new && chown 0:0 $f.new"
    return f"sudo sh -c {quote(f'f={path}; {made}{put} && {owned} && mv $f.new $f')}"


def printed(text: str) -> str:
    """A command that prints ``text``, for a line in single quotes."""
    lines = text.split("\n")
    if lines[-1] == "":
        form, lines = r"%s\n", lines[:-1]
    else:
        form, lines = "%s", [text]
    return f'printf "{form}" {" ".join(map(_double_quoted, lines))}'


def _double_quoted(text: str) -> str:
    """A shell word in double quotes, since the line that it is part of is in single quotes."""
    return '"' + re.sub(r'(["$`\\])', r"\\\1", text) + '"'
