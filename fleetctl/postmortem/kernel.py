"""What a node's kernel says: whom it ended for lack of memory, which disks and links failed. Pure.

Formats: oom_kill.c of Linux ("Out of memory: Killed process 812 (python3) total-vm:…", with "Memory
cgroup" before it in a group), dmesg(1), journalctl(1) with ``-o short-unix``, proc_vmstat(5) (its
``oom_kill`` counts those of groups, too), and
``log show --style syslog`` of macOS ("memorystatus: killing_… pid 812 [python3]").
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache

from msgspec import Struct

from fleetctl.escaping import harmless
from fleetctl.package_files import package_text

MOST_S = 3600
"""Of how long ago at the most it is asked: a Mac's log is slow to read."""
_KILLED = (
    re.compile(r"[Kk]illed process (?P<pid>\d+),? \((?P<name>[^)]*)\)"),
    re.compile(r"memorystatus: killing\S* .*?pid (?P<pid>\d+) \[(?P<name>[^\]]*)\]"),
)
_LINES = (
    re.compile(r"(?P<epoch>\d{9,11}\.\d+) \S+ kernel: (?P<text>.*)"),
    re.compile(r"\[\s*(?P<up>\d+\.\d+)\](?:\[[^\]]*\])? ?(?P<text>.*)"),
    re.compile(
        r"(?P<date>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?[+-]\d{4})"
        r"\s+\S+ kernel\S*:? (?P<text>.*)"
    ),
)


class KernelLine(Struct, frozen=True):
    """A message of the kernel."""

    text: str
    at: datetime | None
    """By the controller's clock, as far as that of the node is known; None: not known."""


class Kill(Struct, frozen=True):
    """A process that the kernel ended for lack of memory."""

    pid: int
    name: str
    at: datetime | None


class Kernel(Struct, frozen=True):
    """What one node's kernel says."""

    lines: tuple[KernelLine, ...] = ()
    kills: tuple[Kill, ...] = ()
    counters: tuple[str, ...] = ()
    """Counts of kills since the boot, or since a group was made, as clauses."""
    never: bool = False
    """Its count says that it has ended nothing for lack of memory since its boot."""
    source: str = ""
    """What it was read from; empty: nothing could be."""
    unreadable: str = ""
    """Why its messages are not known, as a clause; empty: they are."""


@cache
def kernel_script(age_s: int) -> str:
    """The sh text that asks it.

    :param age_s: of how long ago.
    """
    text = package_text("postmortem/kernel.sh")
    return f"age={min(max(age_s, 60), MOST_S)} LC_ALL=C; export LC_ALL\n{text}"


def read_kernel(output: str, ahead_s: float = 0.0) -> Kernel:
    """The answer to :func:`kernel_script`; never raises, whatever it is.

    :param ahead_s: by how much the node's clock is ahead of the controller's.
    """
    sections = _sections(harmless(output))
    boot = _boot(sections.get("clock", []))
    source = ""
    unreadable = "" if "messages" in sections else "the node's answer was cut off"
    lines: list[KernelLine] = []
    for line in sections.get("messages", []):
        word, _, rest = line.partition(" ")
        if word == "unreadable":
            unreadable = rest
        elif word == "source":
            source = rest
        elif word == "report":
            lines.append(KernelLine(f"the system wrote {rest}", None))
        elif line.strip():
            lines.append(_line(line, boot, ahead_s))
    if "messages" in sections and "end" not in sections:
        unreadable = "it did not answer in time"
    if not source and not unreadable:
        unreadable = "it said nothing"
    return Kernel(
        tuple(lines),
        tuple(kill for line in lines for kill in _kills(line)),
        tuple(_counters(sections.get("counters", []))),
        "vmstat 0" in sections.get("counters", []),
        source,
        unreadable,
    )


def _sections(output: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    mine: list[str] = []
    for line in output.splitlines():
        if line.startswith("== "):
            mine = found.setdefault(line[3:], [])
        else:
            mine.append(line)
    return found


def _boot(lines: list[str]) -> float | None:
    """When it was booted, by its clock."""
    now = up = None
    for line in lines:
        if re.fullmatch(r"\d{1,12}", line):
            now = float(line)
        elif found := re.fullmatch(r"up (\d{1,12}\.\d+)", line):
            up = float(found[1])
    return now - up if now is not None and up is not None else None


def _line(line: str, boot: float | None, ahead_s: float) -> KernelLine:
    for form in _LINES:
        if not (found := form.match(line)):
            continue
        named = found.groupdict()
        return KernelLine(named["text"], _at(named, boot, ahead_s))
    return KernelLine(line, None)


def _at(named: dict[str, str], boot: float | None, ahead_s: float) -> datetime | None:
    try:
        if date := named.get("date"):
            return datetime.fromisoformat(date).astimezone(UTC) - timedelta(seconds=ahead_s)
        if epoch := named.get("epoch"):
            return datetime.fromtimestamp(float(epoch) - ahead_s, UTC)
        if boot is None:
            return None
        return datetime.fromtimestamp(boot + float(named["up"]) - ahead_s, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _kills(line: KernelLine) -> list[Kill]:
    found = next((f for form in _KILLED if (f := form.search(line.text))), None)
    return [Kill(int(found["pid"][:12]), found["name"], line.at)] if found else []


def _counters(lines: list[str]) -> list[str]:
    found = []
    for line in lines:
        kind, _, rest = line.partition(" ")
        group, _, number = rest.rpartition(" ")
        if not re.fullmatch(r"[1-9]\d{0,11}", number):
            continue
        if kind == "vmstat":
            found.append(f"its kernel has ended {number} for lack of memory since its boot")
        elif kind == "cgroup":
            found.append(f"the control group {group} has lost {number} for lack of memory")
    return found
