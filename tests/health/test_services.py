"""The state of an instance, from the facts of its node."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.health.services import UNATTACHABLE, service_status, unknown_status
from fleetctl.health.sockets import own_pids, own_sockets, strangers
from fleetctl.model.facts import CUT_OFF, Listener, NodeFacts
from fleetctl.model.jobs import Instance, Restart
from fleetctl.model.liveness import Liveness
from fleetctl.model.ready import Ready
from fleetctl.model.records import Health
from fleetctl.model.status import LivenessStatus
from tests.health.facts import PID, RUN, ago, facts, health, listener, pane, record, running
from tests.launch.jobs import instance, listen

PLAIN = instance()
SERVER = instance("server", listen=listen(), ready=Ready("listening"))
TWO_CABLES = replace(SERVER, other_listens=(listen(address="10.0.1.1"),))
ASKED = instance("asked", ready=Ready("log", "up"))
PROBED = instance("probed", liveness=Liveness("connect", "x:1"))
REFUSED = "x:1 refused the connection"
GONE = "its tmux window is gone: the node restarted, or tmux was ended"

CONNECTING = instance(ready=Ready("connect", "10.0.0.1:80"))
STATES: dict[str, tuple[Instance, NodeFacts, str, str | None]] = {
    "never started": (PLAIN, facts(), "stopped", None),
    "stopped": (PLAIN, facts(record(PLAIN, phase="stopped", exit_code=143)), "stopped", None),
    "no tmux": (
        PLAIN,
        facts(tmux_version=None, panes=None, unknown={"tmux": "tmux is not installed"}),
        "stopped",
        "tmux is not installed",
    ),
    "no tmux any more": (
        PLAIN,
        facts(record(PLAIN), tmux_version=None, panes=None, unknown={"tmux": "not there"}),
        "unknown",
        "not there, but processes of it run",
    ),
    "tmux does not answer": (
        PLAIN,
        facts(panes=None, unknown={"tmux": "server exited"}),
        "unknown",
        "server exited",
    ),
    "its record is damaged": (
        PLAIN,
        facts(damaged=frozenset({(PLAIN.job, PLAIN.name)})),
        "unknown",
        "its record on the node is damaged: `fleetctl stop` ends whatever runs",
    ),
    "its record was removed": (
        PLAIN,
        facts(unrecorded=frozenset({(PLAIN.job, PLAIN.name)})),
        "unknown",
        "its record on the node was removed, and it has no tmux window: `fleetctl stop` ends "
        "whatever runs",
    ),
    "the process list cannot be read": (
        PLAIN,
        facts(record(PLAIN), runs=None, unknown={"runs": "sh: ps: not found"}),
        "unknown",
        "which processes run is not known: sh: ps: not found",
    ),
    "the record was not told": (
        PLAIN,
        facts(unknown={"records": CUT_OFF}),
        "unknown",
        CUT_OFF,
    ),
    "tmux has lost its socket": (
        PLAIN,
        facts(record(PLAIN), supervised=frozenset({RUN})),
        "running",
        UNATTACHABLE,
    ),
    "its code is no signal": (
        PLAIN,
        facts(pane(PLAIN, dead=True), record(PLAIN, phase="ended", exit_code=255)),
        "failed",
        "exit code 255",
    ),
    "the last signal": (
        PLAIN,
        facts(pane(PLAIN, dead=True), record(PLAIN, phase="ended", exit_code=192)),
        "failed",
        "exit code 192 (signal 64)",
    ),
    "its condition cannot be asked": (
        CONNECTING,
        facts(pane(CONNECTING), record(CONNECTING, unasked="TCP forwarding is forbidden")),
        "running",
        "TCP forwarding is forbidden",
    ),
    "its condition does not hold": (
        CONNECTING,
        facts(pane(CONNECTING), record(CONNECTING)),
        "running",
        "10.0.0.1:80 does not accept connections yet",
    ),
    "the window is there, the record not yet": (PLAIN, facts(pane(PLAIN)), "starting", None),
    "the record is of an earlier run": (
        PLAIN,
        facts(pane(PLAIN), record(PLAIN, run="old", phase="ended", exit_code=3)),
        "starting",
        None,
    ),
    "young": (PLAIN, facts(pane(PLAIN, started_at=ago(0.5)), record(PLAIN)), "running", None),
    "alive for a second": (PLAIN, running(PLAIN), "ready", None),
    "restarted just now": (
        PLAIN,
        running(PLAIN, restarts=1, started_at=ago(0)),
        "running",
        None,
    ),
    "in backoff": (
        PLAIN,
        facts(pane(PLAIN), record(PLAIN, phase="backoff", exit_code=5, restarts=2)),
        "restarting",
        "ended with exit code 5",
    ),
    "ended well": (
        PLAIN,
        facts(pane(PLAIN, dead=True), record(PLAIN, phase="ended", exit_code=0)),
        "exited",
        None,
    ),
    "ended, supervisor about to leave": (
        PLAIN,
        facts(pane(PLAIN), record(PLAIN, phase="ended", exit_code=4), runs={}),
        "failed",
        "exit code 4",
    ),
    "being stopped, and all of it has ended": (
        PLAIN,
        facts(pane(PLAIN), record(PLAIN, phase="ended", exit_code=143, asked_to_end=True), runs={}),
        "stopped",
        None,
    ),
    "being stopped, and what is left is not known": (
        PLAIN,
        facts(
            pane(PLAIN, dead=True),
            record(PLAIN, phase="ended", exit_code=143, asked_to_end=True),
            runs=None,
        ),
        "failed",
        "exit code 143 (signal 15)",
    ),
    "being stopped, and something is left": (
        PLAIN,
        facts(
            pane(PLAIN, dead=True),
            record(PLAIN, phase="ended", exit_code=143, asked_to_end=True),
            runs={RUN: (77,)},
        ),
        "failed",
        "exit code 143 (signal 15); its process 77 still runs",
    ),
    "command not found": (
        PLAIN,
        facts(pane(PLAIN, dead=True), record(PLAIN, phase="ended", exit_code=127)),
        "failed",
        "exit code 127 (command not found)",
    ),
    "not executable": (
        PLAIN,
        facts(pane(PLAIN, dead=True), record(PLAIN, phase="ended", exit_code=126)),
        "failed",
        "exit code 126 (it could not be run)",
    ),
    "killed": (
        PLAIN,
        facts(pane(PLAIN, dead=True), record(PLAIN, phase="ended", exit_code=137)),
        "failed",
        "exit code 137 (signal 9)",
    ),
    "out of restarts": (
        instance(restart=Restart("always", max=2)),
        facts(pane(PLAIN, dead=True), record(PLAIN, phase="ended", exit_code=1, restarts=2)),
        "failed",
        "exit code 1, after 2 restarts",
    ),
    "its supervisor was killed": (
        PLAIN,
        facts(pane(PLAIN, dead=True), record(PLAIN), runs={}),
        "failed",
        "its supervisor was ended from outside",
    ),
    "it failed after its record was read": (
        PLAIN,
        facts(pane(PLAIN, dead=True, dead_status=139), record(PLAIN), runs={}),
        "failed",
        "exit code 139 (signal 11)",
    ),
    "it ended well after its record was read": (
        PLAIN,
        facts(pane(PLAIN, dead=True, dead_status=0), record(PLAIN), runs={}),
        "exited",
        None,
    ),
    "the node restarted, or tmux was ended": (PLAIN, facts(record(PLAIN), runs={}), "failed", GONE),
    "the node restarted": (
        PLAIN,
        facts(record(PLAIN, booted_since=True), runs={}),
        "failed",
        "its node was restarted",
    ),
    "tmux was ended, and what it ran": (
        PLAIN,
        facts(record(PLAIN, booted_since=False), runs={}),
        "failed",
        "its tmux window is gone: tmux was ended",
    ),
    "tmux was killed": (
        PLAIN,
        facts(record(PLAIN)),
        "failed",
        f"{GONE}; its process {PID} still runs",
    ),
    "ended before the window went away": (
        PLAIN,
        facts(record(PLAIN, phase="ended", exit_code=0), runs={}),
        "exited",
        None,
    ),
    "failed before the window went away": (
        PLAIN,
        facts(record(PLAIN, phase="ended", exit_code=2), runs={}),
        "failed",
        "exit code 2",
    ),
    "a daemon outlived it": (
        PLAIN,
        facts(record(PLAIN, phase="ended", exit_code=0)),
        "failed",
        f"{GONE}; its process {PID} still runs",
    ),
    "a window of another fleet": (PLAIN, facts(pane(PLAIN, session="other")), "stopped", None),
    "a window of another job": (PLAIN, facts(pane(PLAIN, job="other")), "stopped", None),
    "a dead window beside the live one": (
        PLAIN,
        facts(pane(PLAIN, run="old", dead=True), pane(PLAIN), record(PLAIN)),
        "ready",
        None,
    ),
    # listening
    "listens": (SERVER, running(SERVER, listener("10.0.0.1", 6000, PID)), "ready", None),
    "listens not yet": (
        SERVER,
        running(SERVER),
        "running",
        "does not listen on 10.0.0.1:6000 yet",
    ),
    "listens on another address and port": (
        SERVER,
        running(SERVER, listener("10.0.0.2", 6000, PID), listener("::", 80, PID)),
        "running",
        "does not listen on 10.0.0.1:6000 yet; it listens on 10.0.0.2:6000, :::80",
    ),
    "listens on one of two": (
        TWO_CABLES,
        running(TWO_CABLES, listener("10.0.0.1", 6000, PID)),
        "running",
        "does not listen on 10.0.1.1:6000 yet; it listens on 10.0.0.1:6000",
    ),
    "listens on both": (
        TWO_CABLES,
        running(TWO_CABLES, listener("10.0.0.1", 6000, PID), listener("10.0.1.1", 6000, PID)),
        "ready",
        None,
    ),
    "a stranger listens": (
        SERVER,
        running(SERVER, listener("10.0.0.1", 6000, 999)),
        "running",
        "does not listen on 10.0.0.1:6000 yet",
    ),
    "what listens is not known": (
        SERVER,
        facts(pane(SERVER), record(SERVER), listeners=None, unknown={"listeners": "no ss"}),
        "running",
        "what listens is not known: no ss",
    ),
    # conditions that a controller has to ask for
    "the line did not come": (
        ASKED,
        running(ASKED),
        "running",
        "its log has no line matching 'up' yet",
    ),
    "a controller saw it": (ASKED, running(ASKED, ready=True), "ready", None),
    # what liveness asks
    "not asked yet": (PROBED, running(PROBED), "ready", None),
    "it works": (PROBED, running(PROBED, health=health("ok", 0)), "ready", None),
    "it failed twice": (PROBED, running(PROBED, health=health(failures=2)), "ready", None),
    "it failed three times": (PROBED, running(PROBED, health=health()), "unhealthy", REFUSED),
    "it fails and is not ready": (
        PROBED,
        running(PROBED, started_at=ago(0), restarts=1, health=health()),
        "running",
        None,
    ),
    "nothing can ask it": (
        PROBED,
        running(PROBED, health=health("unknown", 0, why="its node has no curl")),
        "running",
        "whether it works is not known: its node has no curl",
    ),
    "its prober is gone": (
        PROBED,
        running(PROBED, health=health("ok", 0, asks=False)),
        "running",
        "whether it works is not known: its prober does not run",
    ),
    "nothing was written down for long": (
        PROBED,
        facts(pane(PROBED, started_at=ago(60)), record(PROBED)),
        "running",
        "whether it works is not known: its prober has written nothing down",
    ),
    "it was started before it was to be asked": (
        PROBED,
        facts(pane(PROBED, started_at=ago(60), definition_hash="old"), record(PROBED)),
        "ready",
        None,
    ),
    "nobody wants to know": (PLAIN, running(PLAIN, health=health()), "ready", None),
    "restarted for it": (
        PROBED,
        running(PROBED, restarts=1, started_at=ago(5), unwell=f"{REFUSED} three times"),
        "ready",
        f"restarted: {REFUSED} three times",
    ),
    "restarted for it, and not ready": (
        instance(ready=Ready("connect", "x:1"), liveness=Liveness("connect", "x:1")),
        running(PLAIN, restarts=1, unwell=REFUSED),
        "running",
        f"x:1 does not accept connections yet; restarted: {REFUSED}",
    ),
    "about to be restarted for it": (
        PROBED,
        facts(pane(PROBED), record(PROBED, phase="backoff", exit_code=0, unwell=REFUSED)),
        "restarting",
        f"{REFUSED}; ended with exit code 0",
    ),
    "ended for it, for good": (
        PROBED,
        facts(pane(PROBED, dead=True), record(PROBED, phase="ended", exit_code=0, unwell=REFUSED)),
        "failed",
        f"exit code 0; it was ended, for {REFUSED}",
    ),
    "ended for it, and the window is gone": (
        PROBED,
        facts(record(PROBED, phase="ended", exit_code=0, unwell=REFUSED), runs={}),
        "failed",
        f"exit code 0; it was ended, for {REFUSED}",
    ),
}


@pytest.mark.parametrize("case", STATES)
def test_states(case: str) -> None:
    of, found, state, reason = STATES[case]
    status = service_status("fleet", of, found)
    assert (status.state, status.reason) == (state, reason)


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("http", "http://x/", "http://x/ does not answer with success yet"),
        ("connect", "x:1", "x:1 does not accept connections yet"),
        ("command", "test -e x", "its ready command does not succeed yet: test -e x"),
    ],
)
def test_reasons_of_asked_conditions(kind: Any, value: str, reason: str) -> None:
    of = instance(ready=Ready(kind, value))
    assert service_status("fleet", of, running(of)).reason == reason


@pytest.mark.parametrize(("delay", "state"), [("29.5", "ready"), ("30.5", "running")])
def test_a_delay_counts_from_the_start(delay: str, state: str) -> None:
    of = instance(ready=Ready("delay", delay))
    assert service_status("fleet", of, running(of)).state == state


def test_status_of_a_running_instance() -> None:
    of = instance("server", "pi4", rank=3, listen=listen(), ready=Ready("listening"))
    found = facts(
        pane(of, definition_hash="other"),
        record(of, restarts=2, started_at=ago(5)),
        listener("10.0.0.1", 6000, PID),
        listener("10.0.0.1", 22, 1),
        log_bytes={(of.job, of.name): 77},
    )
    status = service_status("fleet", of, found)
    assert (status.service, status.node, status.rank) == ("server", "pi4", 3)
    assert (status.pid, status.restarts, status.exit_code) == (PID, 2, None)
    assert status.started_at == ago(5)  # of this attempt, not of the window
    assert status.listening == ("10.0.0.1:6000",)
    assert (status.tmux, status.log_bytes, status.changed) == ("fleet:server", 77, True)


def test_the_first_attempt_began_with_its_window() -> None:
    found = facts(pane(PLAIN, started_at=ago(30.25)), record(PLAIN))
    assert service_status("fleet", PLAIN, found).started_at == ago(30.25)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (facts(pane(PLAIN, dead=True), record(PLAIN, phase="ended", exit_code=0)), 0),
        (facts(pane(PLAIN, dead=True, dead_status=137), record(PLAIN)), 137),
        (facts(record(PLAIN, phase="stopped", exit_code=143)), 143),
        (running(PLAIN), None),
    ],
)
def test_exit_codes(found: NodeFacts, code: int | None) -> None:
    assert service_status("fleet", PLAIN, found).exit_code == code


def test_what_is_not_known_is_null() -> None:
    found = facts(pane(PLAIN), record(PLAIN), listeners=None, runs=None)
    assert service_status("fleet", PLAIN, found).listening is None
    status = unknown_status(PLAIN, "no route")
    assert (status.state, status.reason) == ("unknown", "no route")
    assert (status.pid, status.listening, status.log_bytes, status.changed) == (None,) * 4


@pytest.mark.parametrize(
    ("wanted", "bound", "taken"),
    [
        ("10.0.0.1", ("10.0.0.1", 6000), True),
        ("10.0.0.1", ("0.0.0.0", 6000), True),
        ("10.0.0.1", ("*", 6000), True),
        ("10.0.0.1", ("::", 6000), False),  # IPv6 only
        ("10.0.0.1", ("10.0.0.2", 6000), False),
        ("10.0.0.1", ("10.0.0.1", 6001), False),
        ("0.0.0.0", ("10.0.0.2", 6000), True),
        ("0.0.0.0", ("::", 6000), False),
        ("0.0.0.0", ("fe80::1", 6000), False),
    ],
)
def test_strangers(wanted: str, bound: tuple[str, int], taken: bool) -> None:
    of = instance(listen=listen(address=wanted))
    found: tuple[Listener, ...] = (listener(*bound, 7),)
    assert strangers(of, found) == (found if taken else ())
    assert strangers(of, found, found) == ()
    assert strangers(instance(), found) == ()
    assert strangers(of, None) == ()


@pytest.mark.parametrize("address", ["10.0.0.1", "0.0.0.0", "*"])
def test_a_socket_on_all_addresses_is_ready(address: str) -> None:
    assert service_status("fleet", SERVER, running(SERVER, listener(address, 6000, PID))).state == (
        "ready"
    )


@pytest.mark.parametrize("address", ["::", "10.0.0.2", "127.0.0.1"])
def test_a_socket_elsewhere_is_not_ready(address: str) -> None:
    found = running(SERVER, listener(address, 6000, PID))
    assert service_status("fleet", SERVER, found).state == "running"


def test_a_socket_of_root_is_that_of_an_instance_under_sudo() -> None:
    of_root = listener("10.0.0.1", 6000, process=None)
    known = running(SERVER, of_root)
    assert service_status("fleet", SERVER, known).state == "running"
    assert strangers(SERVER, (of_root,), own_sockets(SERVER, known, {PID}) or ()) == (of_root,)
    under_sudo = replace(known, foreign=frozenset({PID}))
    assert service_status("fleet", SERVER, under_sudo).state == "ready"
    # only on its own port
    other = replace(under_sudo, listeners=(listener("10.0.0.1", 22, process=None),))
    assert own_sockets(SERVER, other, {PID}) == ()


def test_a_command_that_left_its_server_in_the_background_runs_on() -> None:
    behind = running(SERVER, listener("10.0.0.1", 6000, PID), exit_code=0)
    status = service_status("fleet", SERVER, behind)
    assert (status.state, status.reason) == (
        "ready",
        "its command ended with exit code 0, a process of it runs on in the background",
    )
    status = service_status("fleet", SERVER, running(SERVER, exit_code=0))
    assert status.state == "running"
    assert "in the background" in (status.reason or "")


@pytest.mark.parametrize("phase", ["ended", "running"])
def test_what_still_runs_after_a_failure_is_told(phase: str) -> None:
    code = 3 if phase == "ended" else None
    dead = pane(PLAIN, dead=True, dead_status=3)
    found = facts(dead, record(PLAIN, phase=phase, exit_code=code), runs={RUN: (PID,)})
    status = service_status("fleet", PLAIN, found)
    assert status.state == "failed"
    assert (status.reason or "").endswith(f"; its process {PID} still runs")


@pytest.mark.parametrize(("age_s", "state"), [(0.9, "running"), (1.0, "ready"), (None, "ready")])
def test_its_age_is_told_by_its_node(age_s: float | None, state: str) -> None:
    """The answer may be late: then more time has passed here than it ran."""
    found = facts(pane(PLAIN), record(PLAIN, age_s=age_s))
    assert service_status("fleet", PLAIN, found).state == state


def test_own_processes_are_those_of_its_window_and_its_record() -> None:
    found = facts(
        pane(PLAIN), record(PLAIN, run="old"), runs={RUN: (1, 2), "old": (3,), "else": (4,)}
    )
    assert own_pids(PLAIN, found) == {1, 2, 3}


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (
            health(failures=5, alike=2),
            LivenessStatus(
                "a connection to x:1",
                "failing",
                5,
                ago(25),
                f"{REFUSED}, the last of 5 failures in a row",
            ),
        ),
        (
            health(failures=1),
            LivenessStatus("a connection to x:1", "pending", 1, ago(25), REFUSED),
        ),
        (
            health("ok", 0, for_s=None),
            LivenessStatus("a connection to x:1", "ok", 0, None, "x:1 accepted a connection"),
        ),
        (None, LivenessStatus("a connection to x:1", "pending", reason="it was not asked yet")),
    ],
)
def test_what_is_known_of_its_liveness(found: Health | None, known: LivenessStatus) -> None:
    assert service_status("fleet", PROBED, running(PROBED, health=found)).liveness == known


def test_liveness_is_of_what_runs_and_is_to_be_asked() -> None:
    assert service_status("fleet", PLAIN, running(PLAIN, health=health())).liveness is None
    ended = facts(pane(PROBED, dead=True), record(PROBED, phase="ended", health=health()))
    assert service_status("fleet", PROBED, ended).liveness is None
    assert service_status("fleet", PROBED, running(PROBED, health=health())).pid == PID
