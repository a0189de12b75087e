"""Kinds of problems with a machine itself: its tools, disk, power, clock and sleep."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.health.finding import Finding
from fleetctl.health.kinds.kind import FindingKind, ProblemKind
from fleetctl.health.repairs import boot_start, linux, macos, networkmanager, programs
from fleetctl.health.repairs.target import Remedy, no_remedy
from fleetctl.quantities import listed

_INSTALLED = "what is installed stays"
_CARRIED = "the instances on the node, and those that wait for them"

OS_MISMATCH = ProblemKind(
    "os-mismatch",
    "warning",  # commands are chosen by the node's own answer, so nothing breaks
    "{node} runs {os}, {but}",
    _CARRIED,
    no_remedy("nodes.yaml is the user's"),
)
TMUX_MISSING = ProblemKind(
    "tmux-missing",
    "error",
    "{what}",
    _CARRIED,
    no_remedy("programs are installed by the node's owner"),
)
TMUX_UNUSABLE = ProblemKind(
    "tmux-unusable",
    "error",
    "tmux on {node} cannot be asked: {reason}",
    _CARRIED,
    no_remedy("ending a tmux server ends what runs in it"),
)
DISK_FULL = ProblemKind(
    "disk-full",
    "error",
    "the disk of {node}'s home folder is full ({free_kib} KiB free)",
    _CARRIED,
    no_remedy("what may be deleted is known to its owner alone"),
)
STATE_UNWRITABLE = ProblemKind(
    "state-unwritable",
    "error",
    "{node} cannot write in {folder}, where fleetctl keeps what it starts: {reason}",
    _CARRIED,
    no_remedy("what belongs to root is given back by its owner"),
)
UNDERVOLTAGE = ProblemKind(
    "undervoltage",
    "warning",
    "{node} {what}",
    "nothing yet",
    no_remedy("power supplies are changed by hand"),
)
LOCAL_NETWORK_DENIED = ProblemKind(
    "local-network-denied",
    "error",
    "{what}. Allow it under System Settings, Privacy & Security, Local Network",
    "the node's instances that connect to others; or what runs on a node that is not reached",
    {
        "linux": "Linux has no such permission",
        "macos": "macOS lets only a person at the Mac allow it",
    },
)
CLOCK_SKEW = ProblemKind(
    "clock-skew",
    "warning",
    "the clock of {node} is {offset_s:.0f} s {way} this machine's",
    "nothing",
    no_remedy("which of the clocks is right is not known"),
)
SLEEP_ENABLED = FindingKind(
    "sleep-enabled",
    "warning",
    "{node} goes to sleep after {minutes}, and what runs in tmux does not keep it awake",
    "nothing yet",
    {
        "linux": "a Linux machine without a desktop does not sleep by itself",
        "macos": Remedy(macos.stay_awake, "pmset writes down what it sets"),
    },
    words=lambda _fleet, found: {"minutes": _minutes(found[0].idle_minutes or 0)},
)


def lacks(found: Sequence[Finding]) -> str:
    """What the findings of one node lack, as a clause."""
    return f"{found[0].node} lacks what the job requires: {listed([str(f.lack) for f in found])}"


REQUIREMENT_MISSING = FindingKind(
    "requirement-missing",
    "error",
    "{what}",
    _CARRIED,
    {
        "linux": Remedy(programs.by_apt, _INSTALLED, programs.why_not_renewed),
        "macos": Remedy(programs.by_brew, _INSTALLED, programs.why_not_renewed),
    },
    words=lambda _fleet, found: {"what": lacks(found)},
    consequence="cannot work there",
)
VERSION_SKEW = ProblemKind(
    "version-skew",
    "warning",
    "{thing} differs: {values}",
    "the nodes that differ from most others, or all of them",
    no_remedy("which of the versions is meant is not known"),
)
WIFI_POWER_SAVE = FindingKind(
    "wifi-power-save",
    "warning",
    "{node}'s Wi-Fi saves power ({interface}), which makes SSH lag or drop",
    "nothing",
    {
        "linux": Remedy(linux.radio_awake, networkmanager.radio_awake),
        "macos": "macOS does not tell, and does not let it be set",
    },
    words=lambda _fleet, found: {"interface": found[0].interface},
)
BOOT_START_DIFFERS = FindingKind(
    "boot-start-differs",
    "warning",
    "{node} {what}",
    "nothing yet",
    {
        "linux": Remedy(boot_start.on_linux, "the unit stays on the disk", boot_start.why_nothing),
        "macos": Remedy(boot_start.on_macos, "the LaunchDaemon stays on the disk"),
    },
    words=lambda _fleet, found: {"what": found[0].at_boot},
)


def _minutes(number: int) -> str:
    return f"{number} idle minute{'s' if number > 1 else ''}"


KINDS = (
    LOCAL_NETWORK_DENIED,
    TMUX_MISSING,
    TMUX_UNUSABLE,
    REQUIREMENT_MISSING,
    DISK_FULL,
    STATE_UNWRITABLE,
    UNDERVOLTAGE,
    CLOCK_SKEW,
    SLEEP_ENABLED,
    WIFI_POWER_SAVE,
    BOOT_START_DIFFERS,
    VERSION_SKEW,
    OS_MISMATCH,
)
