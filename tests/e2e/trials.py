"""What `check` says of each kind of fault that the lab can make, on a cluster that works."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, Literal

from msgspec import Struct

from fleetctl.config import load_text
from fleetctl.lab import Lab
from fleetctl.lab.draft import draw
from fleetctl.lab.faults.registry import KINDS
from tests.e2e.cluster import eventually, sh
from tests.lab.fleets import GUIDE

CHECK_TIMEOUT_S = 120.0
HEALED_WITHIN_S = 60.0
NOTICED_WITHIN_S = 90.0

WORKER = """\
import socket, time
peer = None
while True:
    try:
        peer = peer or socket.create_connection(("{server.host}", {server.port}), 5)
        print("step")
    except OSError as error:
        print(error)
    time.sleep(1)
"""
_FLEET = re.sub(r"(  mini\d:\n)", r"\1    os: macos\n", GUIDE)
_FLEET = _FLEET.replace("kind: thunderbolt}", "kind: thunderbolt, expect: {rtt_ms: 0.5}}")
_FLEET = _FLEET.replace("kind: ethernet}", "kind: ethernet, expect: {rtt_ms: 1.5}}")
SERVER = "mini1"
_SERVICES: dict[str, Any] = {
    "server": {
        "on": SERVER,
        "command": "exec python3 -m http.server 7000 --bind 10.10.0.1",
        "listen": "fabric:7000",
        "ready": {"listening": True},
        "liveness": {"http": "http://10.10.0.1:7000/", "interval": 5, "failures": 2},
        "stop": {"grace": 1},
    },
    "worker": {
        "on": ["mini2", "mini3", "pi5", "pi4"],
        "after": ["server"],
        "command": f"exec python3 -uc '{WORKER}'",
        "liveness": {"silence": 20, "interval": 5, "failures": 2},
        "stop": {"grace": 1},
    },
}
_JOB = {"requires": ["python3>=3.9"], "services": _SERVICES}
NODES_YAML = f"{_FLEET}jobs: {json.dumps({'training': _JOB})}\n"
"""The guide's Macs and Pis, and a job that connects all of them."""

Found = set[tuple[str, str | None]]


class Trial(Struct, frozen=True):
    """A fault at one place."""

    kind: str
    node: str
    network: str | None

    def __str__(self) -> str:
        return "-".join(filter(None, (self.kind, self.node, self.network)))


class Says(Struct, frozen=True):
    """What a fault must be called."""

    codes: tuple[str, ...] = ()
    """One of them; none: it must not be called anything."""
    severity: Literal["error", "warning"] = "error"
    either_end: bool = False
    """Whether the node at the other end of a cable may be named: both ends are alike."""
    warnings: tuple[str, ...] = ()
    """Codes that may be told beside it, of any node."""


LOST = ("ssh-timeout", "ssh-unreachable")
NOTHING = Says()
EXPECTED = {
    "power-off": Says(LOST),
    "wifi-down": Says(("interface-down",)),  # it says so itself, over its data network
    "wifi-blackhole": Says(("arp-incomplete", "gateway-unreachable", "unreachable")),
    "fabric-down": Says(("interface-down",)),
    "edge-down": Says(("interface-down",), either_end=True),
    "link-blackhole": Says(
        ("arp-incomplete", "gateway-unreachable", "unreachable"), either_end=True
    ),
    "link-lossy": Says(("packet-loss",), "warning", either_end=True),
    "link-slow": Says(("rtt-high",), "warning", either_end=True),
    "link-narrow": NOTHING,  # echoes are small; `bench` finds it
    "forwarding-off": Says(("forwarding-off",)),
    "forwarding-not-persistent": Says(("forwarding-not-persistent",), "warning"),
    "route-missing": Says(("route-missing",)),
    "wrong-gateway": Says(("route-wrong-gateway",)),
    "return-route-missing": Says(("return-route-missing",)),
    "default-route-stolen": Says(("default-route-stolen",)),
    "address-missing": Says(("address-missing",)),
    "wrong-prefix": Says(("address-wrong-prefix",)),
    "twin-address": Says(("address-duplicate",)),
    "address-not-persistent": Says(("address-not-persistent",), "warning"),
    "route-not-persistent": Says(("route-not-persistent",), "warning"),
    "detour": Says(("route-wrong-interface",)),
    "vpn-route": Says(("route-wrong-interface",)),
    "sudo-password": NOTHING,  # only `fix` needs sudo, and asks for the password
    "sleep-enabled": Says(("sleep-enabled", "wifi-power-save"), "warning"),
    "undervoltage": Says(("undervoltage",), "warning"),
    "stealth": NOTHING,  # all that the job needs is reached
    "local-network-denied": Says(("local-network-denied",)),
    "tmux-missing": Says(("tmux-missing",)),
    "old-ip": NOTHING,  # the way is not known, and told as that
    "old-python": Says(("requirement-missing",)),
    "disk-full": Says(("disk-full",)),
    "disk-filling": NOTHING,  # `alerts` tell of it
    "clock-behind": Says(("clock-skew",), "warning"),
    "clock-ahead": Says(("clock-skew",), "warning"),
    "out-of-memory": Says(("service-failed",)),
    "silent-process": Says(("service-unhealthy",)),
    "mapped-listener": Says(("port-in-use",)),
    "orphan": Says(("service-orphaned",), "warning"),
    "sshd-hang": Says(("ssh-hung",)),
    "host-key-changed": Says(("ssh-host-key-changed",)),
    "key-revoked": Says(("ssh-auth-failed",)),
}
BY_LOGIN = {"local-network-denied", "mapped-listener", "orphan", "out-of-memory", "silent-process"}
"""What needs the node, or the job, as it is without a fault; set first."""
TAKES_TIME = {"local-network-denied", "silent-process"}
ENDS_INSTANCES = {"local-network-denied", "mapped-listener", "out-of-memory", "power-off"}
STOPS_CABLE = {"address-missing", "edge-down", "link-blackhole", "power-off"}
"""What keeps all packets from a cable: what else is wrong with the cable is not seen."""
SEEN_BY_PACKETS = {"edge-down", "link-blackhole", "link-lossy", "link-slow"}
_READ = load_text(NODES_YAML, "nodes.yaml")
PLAN = draw(_READ)
MEASURED = {network.name for network in _READ.networks.values() if network.expect_rtt_ms}


def trials() -> list[Trial]:
    """Every kind at every place where it fits."""
    return [
        Trial(kind.name, key, network)
        for kind in KINDS.values()
        for key in PLAN.nodes
        for network in kind.places(PLAN, PLAN.machines[key])
    ]


def random_pairs(count: int, seed: int) -> list[tuple[Trial, Trial]]:
    """Faults of two nodes; the same for the same seed."""
    chance, every = Random(seed), trials()
    pairs: list[tuple[Trial, Trial]] = []
    while len(pairs) < count:
        one, other = chance.sample(every, 2)
        if one.node != other.node:
            pairs.append((one, other))
    return pairs


def expected(trial: Trial) -> Says:
    """What must be said of it."""
    if trial.kind == "link-slow" and trial.network not in MEASURED:
        return NOTHING  # nodes.yaml does not say how quick it must be
    if trial.kind == "local-network-denied" and trial.node == SERVER:
        return NOTHING  # it connects to no other node
    if PLAN.machines[trial.node].role == "silent" and trial.kind != "link-lossy":
        return NOTHING  # no job needs it, and nobody can ask it
    return EXPECTED[trial.kind]


def hidden(trial: Trial, tried: Iterable[Trial]) -> bool:
    """Whether another fault keeps it from being seen."""
    return trial.kind in SEEN_BY_PACKETS and any(
        other.kind in STOPS_CABLE
        and other.network in (None, trial.network)
        and _cable(trial)
        and other.node in PLAN.ends(trial.network or "")
        for other in tried
        if other != trial
    )


def _cable(trial: Trial) -> bool:
    return trial.network is not None and PLAN.segments[trial.network].cable


def names(trial: Trial) -> Found:
    """What may be said of it: codes and nodes."""
    says, nodes = expected(trial), {trial.node}
    if says.either_end and _cable(trial):
        nodes = set(PLAN.ends(trial.network or ""))
    return {(code, node) for code in says.codes for node in nodes}


# -- on the lab ------------------------------------------------------------------------------------


def command(lab: Lab, *arguments: str) -> tuple[int, str, str]:
    """A command of fleetctl at the controller: exit code, output, messages."""
    done = lab.run("controller", ["fleetctl", *arguments], timeout_s=CHECK_TIMEOUT_S)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def check(lab: Lab) -> list[dict[str, Any]]:
    """The problems of `check --json`."""
    code, out, _ = command(lab, "check", "--json")
    told = json.loads(out)
    assert code == (0 if told["healthy"] else 1)
    problems: list[dict[str, Any]] = told["problems"]
    return problems


def start(lab: Lab) -> None:
    code, _, err = command(lab, "start")
    assert code == 0, err


def inject(lab: Lab, trial: Trial) -> None:
    if trial.kind == "mapped-listener":  # where the instance runs, the port is its own
        sh(lab, trial.node, "pkill -KILL -f [h]ttp.server")
        eventually(lambda: "service-failed" in {p["code"] for p in check(lab)}, "it has failed", 60)
    lab.fault(trial.kind, trial.node, network=trial.network)
    if trial.kind == "local-network-denied":  # what runs already is not changed
        command(lab, "restart", trial.node, "--yes")


def deviations(problems: Sequence[dict[str, Any]], tried: Sequence[Trial]) -> list[str]:
    """What was not said, and what was said besides."""
    missing = [
        str(trial)
        for trial in tried
        if names(trial) and not _of(problems, trial) and not hidden(trial, tried)
    ]
    told = [problem for trial in tried for problem in _of(problems, trial)]
    beside = {code for trial in tried for code in expected(trial).warnings}
    more = [
        problem
        for problem in problems
        if problem not in told
        and not (problem["severity"] == "warning" and (len(tried) > 1 or problem["code"] in beside))
    ]
    return [f"not said: {name}" for name in missing] + [f"said: {line}" for line in lines(more)]


def _of(problems: Iterable[dict[str, Any]], trial: Trial) -> list[dict[str, Any]]:
    severity = expected(trial).severity
    return [
        problem
        for problem in problems
        if (problem["code"], problem["node"]) in names(trial) and problem["severity"] == severity
    ]


def lines(problems: Iterable[dict[str, Any]]) -> list[str]:
    return [f"{p['severity']} {p['code']} at {p['node']}: {p['summary']}" for p in problems]


def try_out(lab: Lab, *tried: Trial) -> list[str]:
    """Break, check, heal and check: what was not as it must be."""
    kinds = {trial.kind for trial in tried}
    try:
        for trial in sorted(tried, key=lambda one: one.kind not in BY_LOGIN):
            inject(lab, trial)
        found = deviations(check(lab), tried)
        deadline = time.monotonic() + NOTICED_WITHIN_S
        while found and kinds & TAKES_TIME and time.monotonic() < deadline:
            found = deviations(check(lab), tried)
    finally:
        lab.heal()
    if kinds & ENDS_INSTANCES:
        start(lab)
    left: list[str] = []

    def healed() -> bool:
        left[:] = lines(check(lab))
        return not left

    try:
        eventually(healed, "nothing is wrong", timeout_s=HEALED_WITHIN_S)
    except AssertionError:
        found += [f"left: {line}" for line in left]
    return found
