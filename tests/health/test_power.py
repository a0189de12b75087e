"""Sleep, and what a reboot of a Mac needs: shown beside each other, and by what they are known."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleetctl.health.power import FILEVAULT, reboot_status, sleep_status
from fleetctl.model.facts import Reliability
from fleetctl.model.node_status import RebootStatus, SleepStatus, SSHStatus
from fleetctl.words.check import node_lines
from tests.health.facts import facts
from tests.health.test_kinds import changed
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World


@pytest.mark.parametrize(
    ("known", "minutes", "ok", "persistent", "said"),
    [
        (Reliability(sleep_minutes=0), 0, True, True, "pmset writes down what it sets"),
        (Reliability(sleep_minutes=10), 10, False, False, "pmset writes down what it sets"),
        (Reliability(sleep_minutes=0, sleep_disabled=True), 0, True, None, "SleepDisabled is 1"),
        (Reliability(), None, None, None, "pmset -g does not tell"),
    ],
)
def test_sleep_now_and_after_a_reboot(
    known: Reliability, minutes: int | None, ok: bool | None, persistent: bool | None, said: str
) -> None:
    found = sleep_status(facts(reliability=known))
    assert (found.minutes, found.ok, found.persistent) == (minutes, ok, persistent)
    assert said in (found.persistent_reason or "")


def test_sleep_that_cannot_be_asked_has_its_reason() -> None:
    found = sleep_status(facts(unknown={"sleep": "pmset: not found"}))
    assert found == SleepStatus(reason="pmset: not found", persistent_reason="pmset: not found")


@pytest.mark.parametrize(
    ("known", "unknown", "expected"),
    [
        (Reliability(restarts=True, filevault=False), {}, RebootStatus(True, True)),
        (Reliability(restarts=False, filevault=True), {}, RebootStatus(False, False, FILEVAULT)),
        (Reliability(), {}, RebootStatus(None, None, "left to `fleetctl check`")),
        (Reliability(), {"filevault": "odd"}, RebootStatus(None, None, "odd")),
    ],
)
def test_what_a_reboot_needs(
    known: Reliability, unknown: dict[str, str], expected: RebootStatus
) -> None:
    assert reboot_status(facts(reliability=known, unknown=unknown)) == expected


def test_filevault_and_a_mac_that_stays_off_are_no_problem() -> None:
    told = changed(
        "mini1", reliability=Reliability(sleep_minutes=0, restarts=False, filevault=True)
    )
    assert list(told()) == []


def test_a_mac_has_rows_of_its_own() -> None:
    node = World(CLUSTER).check().status.nodes["mini1"]
    assert node.sleep is None
    assert node.ssh == SSHStatus(True)
    mac = replace(node, sleep=SleepStatus(0, True, None, True), reboot=RebootStatus(True, True))
    rows = {line.what: (line.ok, line.seen, line.later) for line in node_lines(mac)}
    assert rows["sleep"] == (True, "never", "yes")
    assert rows["power failure"] == (True, "", "starts by itself")
    assert rows["log in"] == (True, "", "without a password typed at it")
    assert rows["address wifi"] == (True, "wlan0", "? by DHCP")
    locked = replace(mac, reboot=RebootStatus(None, False, FILEVAULT))
    rows = {line.what: (line.ok, line.seen, line.later) for line in node_lines(locked)}
    assert rows["power failure"] == (None, "", "?")
    assert rows["log in"] == (True, "", FILEVAULT)
