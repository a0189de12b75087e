"""The fleet's status from looks at nodes: waiting, unknown, and one problem per root cause."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import msgspec
import pytest

from fleetctl.errors import ConnectTimedOut, LinkError
from fleetctl.health.assess import assess
from fleetctl.health.machine_problems import too_old
from fleetctl.model.expectations import derive
from fleetctl.model.facts import NodeFacts, Pane
from fleetctl.model.jobs import Job
from fleetctl.model.liveness import Liveness
from fleetctl.model.look import Look
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.ready import Ready
from fleetctl.model.records import Record
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import SSH, Fleet, Network, Node
from tests.health.facts import NOW, PID, ago, facts, health, listener, pane, record
from tests.launch.jobs import job, listen

SERVER = {"listen": listen(), "ready": Ready("listening", timeout_s=20)}
JOB = job(
    {"server": (["a"], []), "worker": (["b", "c"], ["server"]), "web": (["c"], ["worker"])},
    server=SERVER,
)
LISTENS = listener("10.0.0.1", 6000, PID)
ALL = ["server@a", "worker@b", "worker@c", "web@c"]


def fleet(**nodes: dict[str, Any]) -> Fleet:
    network = Network("lan", IPv4Network("10.0.0.0/24"))
    found = {
        name: Node(
            name,
            SSH(f"host-{name}"),
            addresses={"lan": IPv4Address(f"10.0.0.{number}")},
            **nodes.get(name, {}),
        )
        for number, name in enumerate("abc", 1)
    }
    return Fleet("fleet", {"lan": network}, found, {"job": JOB})


def parts(*running: str, **more: Any) -> list[Pane | Record]:
    """The window and record of each instance that runs."""
    chosen = [i for i in JOB.instances if i.name in running]
    return [x for i in chosen for x in (pane(i), record(i, **more))]


def well(*running: str) -> dict[str, NodeFacts | LinkError]:
    """Facts of all nodes, on which ``running`` run and are ready."""
    found: dict[str, NodeFacts | LinkError] = {}
    for node in "abc":
        mine = [name for name in running if name.endswith(f"@{node}")]
        also = (LISTENS,) if "server@a" in mine else ()
        found[node] = facts(*parts(*mine), *also)
    return found


def look(
    found: dict[str, NodeFacts | LinkError], of: Fleet | None = None, of_job: Job | None = JOB
) -> FleetStatus:
    of = of or fleet()
    looks = {
        name: Look(error=one) if isinstance(one, LinkError) else Look(facts=one, address="x")
        for name, one in found.items()
    }
    return assess(of, of_job, derive(of), looks, duration_s=0.5).status


def told(status: FleetStatus) -> list[tuple[str, str | None, tuple[str, ...]]]:
    return [(p.code, p.node, p.affects) for p in status.problems]


def states(status: FleetStatus) -> dict[str, str]:
    return {name: service.state for name, service in status.services.items()}


def test_all_is_well() -> None:
    status = look(well(*ALL))
    assert set(states(status).values()) == {"ready"}
    assert {node.state for node in status.nodes.values()} == {"ok"}
    assert told(status) == []
    assert status.healthy


def test_nothing_was_started() -> None:
    status = look(well())
    assert set(states(status).values()) == {"stopped"}
    assert told(status) == []
    assert status.healthy


def test_no_job() -> None:
    status = look(well(), of_job=None)
    assert (status.job, status.services, status.problems) == (None, {}, ())


def test_only_the_chosen_are_shown_but_all_count() -> None:
    of = fleet()
    looks = {name: Look(facts=facts()) for name in "abc"}
    looks["b"] = Look(error=ConnectTimedOut("b", "no answer"))
    chosen = [i for i in JOB.instances if i.service == "server"]
    status = assess(of, JOB, derive(of), looks, duration_s=0.1, chosen=chosen).status
    assert list(status.services) == ["server@a"]
    assert not status.healthy


def test_a_node_that_cannot_be_asked_is_one_problem() -> None:
    found = {**well(*ALL), "a": ConnectTimedOut("a", "no answer from 10.0.0.1", hint="Is it on?")}
    status = look(found)
    assert status.services["server@a"].state == "unknown"
    assert status.services["server@a"].reason == "no answer from 10.0.0.1"
    assert told(status) == [("ssh-timeout", "a", tuple(ALL))]
    assert status.problems[0].summary == ("a cannot be reached: no answer from 10.0.0.1. Is it on?")
    node = status.nodes["a"]
    assert (node.state, node.system, node.ssh.reachable) == ("unreachable", None, False)
    assert status.nodes["b"].state == "ok"


def test_a_lost_node_explains_what_waits_for_it() -> None:
    found = {**well("worker@b"), "a": LinkError("a", "lost")}
    status = look(found)
    assert states(status)["worker@c"] == "waiting"
    assert status.services["worker@c"].reason == "server@a is unknown"
    assert [p.code for p in status.problems] == ["ssh-unreachable"]


def test_waiting_is_not_stopped() -> None:
    # the server runs and is not ready: the workers wait, and so does what waits for them
    found = {**well(), "a": facts(*parts("server@a", started_at=ago(5)))}
    found["a"] = facts(
        pane(JOB.services["server"].instances[0], started_at=ago(5)),
        record(JOB.services["server"].instances[0]),
    )
    status = look(found)
    assert states(status) == {
        "server@a": "running",
        "worker@b": "waiting",
        "worker@c": "waiting",
        "web@c": "waiting",
    }
    assert status.services["worker@b"].reason == "server@a is running"
    (problem,) = status.problems
    assert (problem.code, problem.severity) == ("dependency-not-ready", "warning")
    assert problem.affects == ("worker@b", "worker@c", "web@c")
    assert problem.summary == "worker@b, worker@c not started: server@a is running"
    assert status.healthy  # it is still starting

    # once it was stopped after the server began, it is stopped
    worker = JOB.services["worker"].instances[0]
    found["b"] = facts(record(worker, phase="stopped", ended_at=ago(1)), runs={})
    assert states(look(found))["worker@b"] == "stopped"
    found["b"] = facts(record(worker, phase="stopped", ended_at=ago(60)), runs={})
    assert states(look(found))["worker@b"] == "waiting"


def test_the_order_of_the_file_does_not_matter() -> None:
    backwards = job(
        {
            n: ([i.node for i in s.instances], list(s.after))
            for n, s in reversed(list(JOB.services.items()))
        },
        server=SERVER,
    )
    server = backwards.services["server"].instances[0]
    found = {**well(), "a": facts(pane(server, started_at=ago(5)), record(server))}
    status = look(found, of_job=backwards)
    assert states(status)["web@c"] == "waiting"
    assert [p.code for p in status.problems] == ["dependency-not-ready"]


def test_an_instance_that_did_its_work_delays_no_other() -> None:
    once = job({"once": (["a"], []), "next": (["b"], ["once"])})
    done = once.services["once"].instances[0]
    found = {**well(), "a": facts(pane(done, dead=True), record(done, phase="ended", exit_code=0))}
    status = look(found, of_job=once)
    assert states(status) == {"once@a": "exited", "next@b": "stopped"}
    assert told(status) == []


def test_a_stopped_worker_beside_a_ready_server_is_stopped() -> None:
    status = look(well("server@a", "worker@b"))
    assert states(status)["worker@c"] == "stopped"
    assert status.healthy


@pytest.mark.parametrize(
    ("code", "problem"), [(3, "service-failed"), (127, "command-missing"), (137, "service-failed")]
)
def test_a_failed_server_explains_its_workers(code: int, problem: str) -> None:
    server = JOB.services["server"].instances[0]
    found = {
        **well(),
        "a": facts(pane(server, dead=True), record(server, phase="ended", exit_code=code), runs={}),
    }
    status = look(found)
    assert states(status)["worker@b"] == "waiting"
    assert told(status) == [(problem, "a", tuple(ALL))]
    assert status.problems[0].fix
    assert status.problems[0].fix.commands == ("fleetctl logs server@a",)


def test_an_overdue_server_explains_its_workers() -> None:
    status = look({**well(), "a": facts(*parts("server@a"))})
    assert told(status) == [("port-not-listening", "a", tuple(ALL))]


def test_a_server_on_the_wrong_address() -> None:
    found = {**well(), "a": facts(*parts("server@a"), listener("127.0.0.1", 6000, PID))}
    status = look(found)
    assert told(status) == [("port-wrong-address", "a", tuple(ALL))]
    assert status.problems[0].summary == (
        "server@a listens on 127.0.0.1:6000, but must listen on 10.0.0.1:6000"
    )


def test_a_further_address_on_the_machine_itself_is_well() -> None:
    found = well(*ALL)
    found["a"] = facts(*parts("server@a"), LISTENS, listener("127.0.0.1", 6000, PID))
    assert told(look(found)) == []


def test_another_process_on_the_port_is_named() -> None:
    server = JOB.services["server"].instances[0]
    ended = (pane(server, dead=True), record(server, phase="ended", exit_code=1))
    found = {**well(), "a": facts(*ended, listener("10.0.0.1", 6000, 999, process="nginx"))}
    status = look(found)
    assert told(status) == [("port-in-use", "a", tuple(ALL))]
    assert "is taken by nginx (pid 999)" in status.problems[0].summary
    found["a"] = facts(*ended, listener("*", 6000, process=None))
    assert "is taken by a process of another user" in look(found).problems[0].summary
    # a stopped service does not need its port
    found["a"] = facts(listener("10.0.0.1", 6000, 999))
    assert told(look(found)) == []


def test_a_crash_loop() -> None:
    server = JOB.services["server"].instances[0]
    backoff = record(server, phase="backoff", exit_code=1, restarts=3)
    status = look({**well(), "a": facts(pane(server), backoff)})
    assert told(status) == [("service-crash-loop", "a", tuple(ALL))]
    few = record(server, phase="backoff", exit_code=1, restarts=2)
    status = look({**well(), "a": facts(pane(server), few)})
    assert "service-crash-loop" not in [p.code for p in status.problems]


def probed(**more: Any) -> Job:
    asks = {"liveness": Liveness("http", "http://x/", **more)}
    return job({"server": (["a"], []), "worker": (["b"], ["server"])}, server={**SERVER, **asks})


@pytest.mark.parametrize("restart", [False, True])
def test_an_unhealthy_instance_is_an_error_and_nothing_starts_after_it(restart: bool) -> None:
    work = probed(restart=restart)
    server = work.services["server"].instances[0]
    failing = health(failures=13, for_s=130, why="http://x/ answered 503")
    found = {**well(), "a": facts(pane(server), record(server, health=failing), LISTENS)}
    status = look(found, of_job=work)
    assert told(status) == [("service-unhealthy", "a", ("server@a", "worker@b"))]
    [problem] = status.problems
    assert problem.summary == ("server@a is unhealthy for 2m10s: http://x/ answered 503 13 times")
    assert problem.evidence == (
        f"asked every 10 s on a: GET http://x/; it is {'' if restart else 'not '}restarted for it"
    )
    assert problem.fix
    assert problem.fix.commands == ("fleetctl restart server@a",)
    assert states(status) == {"server@a": "unhealthy", "worker@b": "waiting"}
    assert status.services["worker@b"].reason == "server@a is unhealthy"
    assert (status.healthy, status.ready, status.nodes["a"].state) == (False, 0, "degraded")


def test_an_instance_that_cannot_be_asked_is_an_error() -> None:
    work = probed()
    server = work.services["server"].instances[0]
    unknown = health("unknown", 0, why="its node has no curl")
    found = {**well(), "a": facts(pane(server), record(server, health=unknown), LISTENS)}
    status = look(found, of_job=work)
    assert told(status) == [("service-unhealthy", "a", ("server@a", "worker@b"))]
    assert status.problems[0].summary == (
        "whether server@a works is not known: its node has no curl"
    )
    assert not status.healthy


def test_a_changed_definition_is_a_warning() -> None:
    found = well(*ALL)
    worker = JOB.services["worker"].instances[0]
    found["b"] = facts(pane(worker, definition_hash="other"), record(worker))
    status = look(found)
    assert told(status) == [("service-changed", "b", ("worker@b",))]
    assert status.problems[0].fix
    assert status.problems[0].fix.commands == ("fleetctl restart worker@b",)
    assert status.healthy
    assert status.nodes["b"].state == "ok"


def system(**more: Any) -> SystemStatus:
    return msgspec.structs.replace(SystemStatus(os="linux"), **more)


@pytest.mark.parametrize(
    ("more", "code", "severity"),
    [
        ({"system": system(disk_free_bytes=1024)}, "disk-full", "error"),
        ({"system": system(throttled=True)}, "undervoltage", "warning"),
        ({"system": system(os="macos")}, "os-mismatch", "warning"),
        (
            {"tmux_version": None, "panes": None, "unknown": {"tmux": "not in PATH"}},
            "tmux-missing",
            "error",
        ),
        ({"tmux_version": "2.9a"}, "tmux-missing", "error"),
    ],
)
def test_problems_of_a_machine(more: dict[str, Any], code: str, severity: str) -> None:
    found = {**well(), "a": facts(**more)}
    status = look(found, fleet(a={"os": "linux"}))
    assert [(p.code, p.severity, p.node) for p in status.problems] == [(code, severity, "a")]
    assert status.nodes["a"].state == ("degraded" if severity == "error" else "ok")
    assert status.healthy == (severity == "warning")


def test_a_node_without_tmux_explains_what_waits_for_it() -> None:
    missing = {"tmux_version": None, "panes": None, "unknown": {"tmux": "not in PATH"}}
    found = {**well("worker@b"), "a": facts(**missing)}
    assert [(p.code, p.affects) for p in look(found).problems] == [("tmux-missing", tuple(ALL))]


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("2.9a", True),
        ("1.8", True),
        ("3.0", False),
        ("3.0a", False),
        ("3.3a", False),
        ("10.1", False),
        ("next-3.6", False),
        ("master", False),
        ("", False),
        ("3.", False),
    ],
)
def test_too_old(version: str, old: bool) -> None:
    assert too_old(version) is old


def test_a_node_that_cannot_be_logged_into() -> None:
    by_hand = job(
        {"rank1": (["c"], []), "next": (["a"], ["rank1"])},
        rank1={"command": None, "ready": Ready("connect", "10.0.0.3:8000")},
    )
    of = fleet(c={"connection": "none"})
    for answer, state in ((True, "ready"), (False, "stopped")):
        external = Look(answers={("job", "rank1@c"): answer})
        looks = {"a": Look(facts=facts()), "b": Look(facts=facts()), "c": external}
        status = assess(of, by_hand, derive(of), looks, duration_s=0.1).status
        assert status.services["rank1@c"].state == state
        assert status.nodes["c"].state == "external"
        assert status.nodes["c"].ssh.reachable is None
    assert "started by hand" in (status.services["rank1@c"].reason or "")


def test_errors_come_before_warnings_and_unknown_values_are_null() -> None:
    found = well(*ALL)
    worker = JOB.services["worker"].instances[0]
    found["b"] = facts(pane(worker, definition_hash="other"), record(worker))
    found["c"] = LinkError("c", "lost")
    status = look(found)
    assert [p.severity for p in status.problems] == ["error", "warning"]
    address = status.nodes["a"].addresses[0]
    assert (address.expected, address.ok, address.reason) == ("10.0.0.1", None, "not told")
    assert status.nodes["a"].forwarding.ok is None
    assert status.generated_at > NOW
