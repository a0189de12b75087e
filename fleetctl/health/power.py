"""What a Mac's power settings mean now and after a reboot. Pure."""

from __future__ import annotations

from fleetctl.health.at_boot import LEFT_TO_CHECK
from fleetctl.model.facts import NodeFacts
from fleetctl.model.node_status import RebootStatus, SleepStatus

FILEVAULT = "FileVault is on: nobody can log in until a password is typed"
_WRITTEN = "pmset writes down what it sets"
_DISABLED = "SleepDisabled is 1; whether it outlasts a reboot is not known"


def is_mac(facts: NodeFacts | None) -> bool:
    return facts is not None and facts.system is not None and facts.system.os == "macos"


def sleep_status(facts: NodeFacts) -> SleepStatus:
    """Whether a Mac stays awake."""
    power = facts.reliability
    if power.sleep_minutes is None:
        why = facts.unknown.get("sleep", "pmset -g does not tell")
        return SleepStatus(reason=why, persistent_reason=why)
    awake = power.sleep_minutes == 0
    return SleepStatus(
        minutes=power.sleep_minutes,
        ok=awake,
        reason=None if awake else f"it goes to sleep after {power.sleep_minutes} min",
        persistent=None if power.sleep_disabled else awake,
        persistent_reason=_DISABLED if power.sleep_disabled else _WRITTEN,
    )


def reboot_status(facts: NodeFacts) -> RebootStatus:
    """Whether a Mac comes back by itself."""
    power = facts.reliability
    reason = FILEVAULT if power.filevault else None
    if power.filevault is None:
        reason = facts.unknown.get("filevault", LEFT_TO_CHECK)
    return RebootStatus(
        restarts=power.restarts,
        unattended=None if power.filevault is None else not power.filevault,
        reason=reason,
    )
