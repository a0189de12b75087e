"""What is wrong with one machine, or with what an instance needs to run there."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any, Literal

import pytest

from fleetctl.health.assess import Checked, assess
from fleetctl.health.connection_problems import login_problems
from fleetctl.health.machine_problems import node_problems
from fleetctl.model.expectations import derive
from fleetctl.model.facts import (
    CUT_OFF,
    NO_ANSWER,
    NOT_SUPPORTED,
    OF_BUSYBOX,
    LocalNetwork,
    NetworkFacts,
    NodeFacts,
    Reliability,
    TcpConnection,
    Workplace,
)
from fleetctl.model.jobs import Job
from fleetctl.model.look import Look
from fleetctl.model.network import Echo
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.ready import Ready
from fleetctl.model.status import ConnectionStatus, Problem
from fleetctl.model.topology import SSH, Fleet, Network, Node
from tests.health.facts import HAS_TMUX, PID, RUN, facts, listener, pane, record
from tests.launch.jobs import job, listen

SERVER_AT = IPv4Address("10.0.0.1")
SHAPE = {"server": (["a"], []), "worker": (["b"], ["server"]), "web": (["c"], ["worker"])}
JOB = job(
    SHAPE,
    server={"listen": listen(), "ready": Ready("listening", timeout_s=20)},
    worker={"workdir": "~/src", "command": "python3 worker.py"},
)
SERVER, WORKER, WEB = JOB.instances
NODE = Node("b", SSH("host-b"), addresses={"lan": IPv4Address("10.0.0.2")})
LINUX, MACOS = SystemStatus(os="linux"), SystemStatus(os="macos")


def fleet() -> Fleet:
    networks = {
        "lan": Network("lan", IPv4Network("10.0.0.0/24")),
        "wifi": Network("wifi", IPv4Network("192.168.1.0/24"), control=True),
    }
    nodes = {
        name: Node(name, SSH(f"host-{name}"), addresses={"lan": IPv4Address(f"10.0.0.{number}")})
        for number, name in enumerate("abc", 1)
    }
    return Fleet("fleet", networks, nodes, {"job": JOB})


def checked(of_job: Job = JOB, **by_node: NodeFacts) -> Checked:
    """Nodes that are not given are all right and run nothing."""
    looks = {name: Look(facts=by_node.get(name) or facts(**HAS_TMUX)) for name in "abc"}
    of = fleet()
    return assess(of, of_job, derive(of), looks, duration_s=0.1)


def told(of_job: Job | None = JOB, **more: Any) -> list[Problem]:
    """The problems of node b alone."""
    return list(node_problems(NODE, facts(**more), of_job))


# logging in


def test_what_the_config_says_in_vain_is_told_once_for_all_nodes() -> None:
    both, one = "BindAddress 192.168.1.2", "KnownHostsCommand /usr/bin/known %H"
    looks = {"a": Look(ignored=(both,)), "b": Look(), "c": Look(ignored=(both, one))}
    (problem,) = login_problems(looks)
    assert (problem.code, problem.severity, problem.node) == ("ssh-config-ignored", "warning", None)
    assert problem.summary == (
        f"fleetctl does not do what ~/.ssh/config says for a and c: {both}, {one}"
    )
    assert problem.affects == ("a", "c")
    assert problem.evidence == f"{both}: a, c; {one}: c"
    (many,) = login_problems({f"n{i}": Look(ignored=(both,)) for i in range(24)})
    assert "for 24 nodes:" in many.summary


def test_a_slow_login_shell_is_a_warning() -> None:
    (problem,) = login_problems({"a": Look(shell_s=0.4), "b": Look(shell_s=6.2), "c": Look()})
    assert (problem.code, problem.severity, problem.node) == ("login-shell-slow", "warning", "b")
    assert "takes 6 s until it runs a command" in problem.summary


# tmux


@pytest.mark.parametrize(
    ("system", "install"),
    [(LINUX, "sudo apt-get install -y tmux"), (MACOS, "brew install tmux"),
     (None, "sudo apt-get install -y tmux")],
)  # fmt: skip
def test_no_tmux(system: SystemStatus | None, install: str) -> None:
    why = "tmux is not installed, or not in PATH"
    (problem,) = told(tmux_version=None, system=system, unknown={"tmux": why})
    assert (problem.code, problem.severity, problem.node) == ("tmux-missing", "error", "b")
    assert problem.summary.endswith(f"Install it: {install}")
    assert problem.evidence == why
    assert problem.affects == ("worker@b", "web@c")


@pytest.mark.parametrize(
    "unknown",
    [{}, {"tmux": CUT_OFF}, {"tmux": NO_ANSWER}, {"tmux": f"{NO_ANSWER} within 3 s"},
     {"tmux": f"{CUT_OFF}: a reboot?"}],
)  # fmt: skip
def test_without_an_answer_tmux_is_not_missing(unknown: dict[str, str]) -> None:
    codes = [p.code for p in told(tmux_version=None, unknown=unknown)]
    assert codes == (["answer-incomplete"] if unknown else [])


@pytest.mark.parametrize(
    ("unknown", "incomplete"),
    [
        ({"interfaces": OF_BUSYBOX, "routes": OF_BUSYBOX}, True),
        ({"interfaces": "sh: 1: ip: not found"}, True),
        ({"interfaces": f"{NOT_SUPPORTED}: FreeBSD"}, False),
        ({"runs": "the process list cannot be read"}, True),
        ({"system": "sh: 1: df: not found"}, False),
    ],
)
def test_nothing_is_well_without_them(unknown: dict[str, str], incomplete: bool) -> None:
    """Alpine has an ip of BusyBox's, which tells a program nothing."""
    codes = [p.code for p in told(unknown=unknown)]
    assert codes == (["answer-incomplete"] if incomplete else [])


def test_a_damaged_record_is_told() -> None:
    (problem,) = told(damaged=frozenset({("job", "worker@b")}))
    assert (problem.code, problem.severity) == ("answer-incomplete", "error")
    assert "the record of worker@b (damaged on its disk: `fleetctl stop`" in problem.summary


def test_a_removed_record_is_told() -> None:
    (problem,) = told(unrecorded=frozenset({("job", "worker@b")}))
    assert (problem.code, problem.severity) == ("answer-incomplete", "error")
    assert "the record of worker@b (removed from its disk: `fleetctl stop`" in problem.summary


def test_a_tmux_that_does_not_fit_its_server() -> None:
    said = "protocol version mismatch (client 8, server 7)"
    (problem,) = told(panes=None, unknown={"tmux": said})
    assert (problem.code, problem.severity, problem.node) == ("tmux-unusable", "error", "b")
    assert f"tmux was updated since that server was started ({said}). " in problem.summary
    assert problem.affects == ("worker@b", "web@c")
    (problem,) = told(panes=None, unknown={"tmux": NO_ANSWER})
    assert (problem.code, problem.severity) == ("answer-incomplete", "error")
    assert "tmux (the question had no answer)" in problem.summary
    assert problem.affects == ("worker@b", "web@c")


@pytest.mark.parametrize(("version", "old"), [("2.9a", True), ("3.0", False), ("3.3a", False)])
def test_old_tmux(version: str, old: bool) -> None:
    problems = told(tmux_version=version)
    assert [p.code for p in problems] == (["tmux-missing"] if old else [])
    assert all("is too old: 3.0 is needed" in p.summary for p in problems)


# power


@pytest.mark.parametrize(
    ("now", "throttled", "since", "words"),
    [
        (True, True, True, "pi5 gets too little voltage: its power supply or cable is too weak"),
        (True, False, True, "pi5 gets too little voltage: its power supply or cable is too weak"),
        (False, True, True, "pi5 is throttled: its power supply or cooling is too weak"),
        (None, True, None, "pi5 is throttled: its power supply or cooling is too weak"),
        (False, False, True, "pi5 had too little voltage since its boot: its power supply or "
         "cable is too weak"),
        (False, False, False, None),
        (None, None, None, None),
    ],
)  # fmt: skip
def test_voltage(
    now: bool | None, throttled: bool | None, since: bool | None, words: str | None
) -> None:
    of = facts(
        system=SystemStatus(os="linux", throttled=throttled),
        reliability=Reliability(undervoltage=now, undervoltage_since_boot=since),
    )
    problems = list(node_problems(Node("pi5", SSH("pi5")), of, None))
    assert [(p.code, p.severity, p.summary) for p in problems] == (
        [("undervoltage", "warning", words)] if words else []
    )


def test_undervoltage_since_boot_is_known_without_the_system() -> None:
    (problem,) = told(reliability=Reliability(undervoltage_since_boot=True), system=None)
    assert problem.code == "undervoltage"


# the local network of macOS

DENIED = LocalNetwork(False, "OSError: [Errno 65] No route to host")
HEARD, SILENT = Echo(3, 3, 0.2), Echo(3, 0)


def private(local_network: LocalNetwork | None, echo: Echo | None, of_job: Job | None = JOB) -> Any:
    echoes = {SERVER_AT: echo} if echo else {}
    network = NetworkFacts(echoes=echoes)
    return told(of_job, system=MACOS, network=network, local_network=local_network)


def test_what_ping_may_and_the_jobs_python_may_not() -> None:
    (problem,) = private(DENIED, HEARD)
    assert (problem.code, problem.severity, problem.node) == ("local-network-denied", "error", "b")
    assert "ping reaches 10.0.0.1, the job's Python does not" in problem.summary
    assert "System Settings, Privacy & Security, Local Network" in problem.summary
    assert problem.evidence == "in tmux: OSError: [Errno 65] No route to host"
    assert problem.affects == ("worker@b",)


@pytest.mark.parametrize(
    ("local_network", "echo"),
    [
        (DENIED, SILENT),  # ping is not answered either
        (DENIED, None),
        (LocalNetwork(True, "connected"), HEARD),
        (None, HEARD),
    ],
)
def test_what_is_no_denial(local_network: LocalNetwork | None, echo: Echo | None) -> None:
    assert private(local_network, echo) == []


def test_a_connection_that_no_instance_needs_is_not_denied() -> None:
    assert private(DENIED, HEARD, None) == []
    assert private(DENIED, HEARD, job({"alone": (["b"], [])})) == []
    # what its instances need has no address
    assert private(DENIED, HEARD, job(SHAPE)) == []


# folder and program of an instance


def at_work(place: Workplace | None, **more: Any) -> list[Problem]:
    """The server runs; the worker on b has this workplace."""
    server = facts(pane(SERVER), record(SERVER, ready=True), listener("10.0.0.1", 6000, PID))
    workplaces = {("job", WORKER.name): place} if place else {}
    worker = facts(**{**HAS_TMUX, "workplaces": workplaces, **more})
    web = facts(pane(WEB), record(WEB))
    return [p for p in checked(a=server, b=worker, c=web).status.problems if p.node == "b"]


@pytest.mark.parametrize(
    ("place", "code", "summary", "evidence"),
    [
        (Workplace("missing", None), "workdir-missing",
         "b has no folder ~/src, so worker@b cannot start", "cd ~/src: missing"),
        (Workplace("denied", None), "workdir-missing",
         "b may not enter ~/src: macOS protects Desktop, Documents and Downloads, so worker@b "
         "cannot start", "cd ~/src: denied"),
        (Workplace("ok", None), "command-missing",
         "b has no python3 (looked for in ~/src and PATH), so worker@b cannot start",
         "command -v python3: not found"),
    ],
)  # fmt: skip
def test_what_it_needs_is_not_there(
    place: Workplace, code: str, summary: str, evidence: str
) -> None:
    (problem,) = at_work(place, system=MACOS)
    assert (problem.code, problem.severity) == (code, "error")
    assert (problem.summary, problem.evidence) == (summary, evidence)
    assert problem.affects == ("worker@b", "web@c")


@pytest.mark.parametrize("place", [Workplace("ok", "/usr/bin/python3"), None])
def test_a_workplace_that_is_right_or_not_known(place: Workplace | None) -> None:
    assert at_work(place) == []


def test_a_program_that_only_a_shell_could_tell_is_not_missing() -> None:
    of_job = job(SHAPE, worker={"command": '"$PYTHON" worker.py'})
    worker = facts(**HAS_TMUX, workplaces={("job", "worker@b"): Workplace("ok", None)})
    assert checked(of_job, b=worker).status.problems == ()


def test_the_default_folder_is_home() -> None:
    of_job = job(SHAPE, worker={"command": "python3 x"})
    worker = facts(**HAS_TMUX, workplaces={("job", "worker@b"): Workplace("ok", None)})
    (problem,) = checked(of_job, b=worker).status.problems
    assert "has no python3 (looked for in ~ and PATH)" in problem.summary


@pytest.mark.parametrize("workdir", ["missing", "denied", "ok"])
def test_a_running_instance_is_not_checked(workdir: Literal["missing", "denied", "ok"]) -> None:
    place = {("job", WORKER.name): Workplace(workdir, None)}
    worker = facts(pane(WORKER), record(WORKER), workplaces=place)
    server = facts(pane(SERVER), record(SERVER, ready=True), listener("10.0.0.1", 6000, PID))
    assert not any(p.node == "b" for p in checked(a=server, b=worker).status.problems)


def test_a_workplace_is_checked_for_a_waiting_instance_too() -> None:
    server = facts(pane(SERVER), record(SERVER))  # not ready yet: the worker waits
    worker = facts(**HAS_TMUX, workplaces={("job", WORKER.name): Workplace("missing", None)})
    found = checked(a=server, b=worker).status
    assert found.services["worker@b"].state == "waiting"
    assert ("workdir-missing", "b") in {(p.code, p.node) for p in found.problems}


# which network its connections use


def connections(**more: Any) -> tuple[ConnectionStatus, ...] | None:
    worker = facts(pane(WORKER), record(WORKER), **more)
    return checked(b=worker).status.services["worker@b"].connections


def connection(local: str, port: int = 6000, *pids: int) -> TcpConnection:
    return TcpConnection(IPv4Address(local), SERVER_AT, port, pids or (PID,))


def test_the_network_that_a_connection_really_uses() -> None:
    found = connections(connections=(connection("10.0.0.2"), connection("192.168.1.7")))
    assert found == (
        ConnectionStatus("10.0.0.1:6000", "10.0.0.2", "lan", ok=True),
        ConnectionStatus(
            "10.0.0.1:6000",
            "192.168.1.7",
            "wifi",
            ok=False,
            expected="10.0.0.1:6000",
            reason="wifi is a control network, and lan leads there",
        ),
    )


def test_whose_connections_another_user_has_is_not_known() -> None:
    assert connections(connections=()) == ()
    assert connections(connections=(), foreign=frozenset({PID})) is None


def test_a_connection_over_no_network_of_the_fleet() -> None:
    found = connections(connections=(connection("172.17.0.2"),))
    why = "172.17.0.2 is on no network of nodes.yaml"
    assert found == (ConnectionStatus("10.0.0.1:6000", "172.17.0.2", None, reason=why),)


def test_only_own_connections_to_dependencies_are_shown() -> None:
    assert (
        connections(
            connections=(
                connection("10.0.0.2", 6000, PID + 900),
                connection("10.0.0.2", 443),
            )
        )
        == ()
    )


def test_any_process_of_its_run_counts() -> None:
    child = PID + 1
    found = connections(
        connections=(connection("10.0.0.2", 6000, 7, child),), runs={RUN: (PID, child)}
    )
    assert found is not None
    assert [c.local for c in found] == ["10.0.0.2"]


def test_connections_without_an_answer_are_unknown() -> None:
    assert connections(connections=None) is None
    assert connections(connections=()) == ()


def test_without_dependencies_there_are_no_connections() -> None:
    server = facts(pane(SERVER), record(SERVER), connections=(connection("10.0.0.1"),))
    assert checked(a=server).status.services["server@a"].connections == ()
