"""A small cluster on the lab, and a user who types fleetctl commands at its controller."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Any

import yaml
from msgspec import Struct

from fleetctl.lab import Lab
from tests.waiting import eventually as eventually
from tests.waiting import patient

CONNECT_TIMEOUT_S = 4

NODES: dict[str, Any] = {
    "networks": {
        "wifi": {"cidr": "192.168.1.0/24", "kind": "wifi", "control": True},
        "fabric": {"cidr": "10.10.0.0/24"},
        "cable": {"cidr": "192.168.50.0/24"},
    },
    "defaults": {"ssh": {"identity_file": "~/.ssh/cluster", "connect_timeout": CONNECT_TIMEOUT_S}},
    "nodes": {
        "hub": {
            "ssh": {"host": "192.168.1.11", "user": "one"},
            "addresses": {
                "wifi": "192.168.1.11",
                "fabric": "10.10.0.1",
                "cable": "192.168.50.1",
            },
            "gateway": True,
        },
        "mini": {
            "ssh": {"host": "192.168.1.12", "user": "two"},
            "addresses": {"wifi": "192.168.1.12", "fabric": "10.10.0.2"},
        },
        "pi": {
            "ssh": {"host": "192.168.1.25", "user": "pi"},
            "addresses": {"wifi": "192.168.1.25", "cable": "192.168.50.2"},
            "via": {"fabric": "hub"},
        },
        "here": {"connection": "local"},
    },
}
"""hub is on the fabric and forwards for pi; mini is on the fabric; here is the controller."""

NODES_YAML = yaml.safe_dump({"fleet": "cluster", **NODES}, sort_keys=False)

Services = Mapping[str, Mapping[str, Any]]


class Said(Struct, frozen=True):
    """The result of a command."""

    code: int
    out: str
    err: str
    took_s: float


class User:
    """A user at the lab's controller, with one fleet of its own name.

    Fleets of different names share the nodes without seeing each other.
    """

    def __init__(self, lab: Lab, fleet: str, services: Services) -> None:
        self.lab = lab
        self.fleet = fleet
        self.path = lab.home / f"{fleet}.yaml"
        self._begun: list[subprocess.Popen[bytes]] = []
        self.write(services)

    def write(self, services: Services) -> None:
        """Write a nodes.yaml with ``services`` as its job."""
        whole = {"fleet": self.fleet, **NODES, "jobs": {"job": {"services": dict(services)}}}
        self.path.write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))

    def argv(self, *arguments: str) -> list[str]:
        return ["fleetctl", "-f", str(self.path), *arguments]

    def type(
        self, *arguments: str, timeout_s: float = 45.0, env: Mapping[str, str] | None = None
    ) -> Said:
        """Run a command to its end."""
        began = time.monotonic()
        done = self.lab.run(
            "controller", self.argv(*arguments), timeout_s=patient(timeout_s), env=env
        )
        said = Said(
            done.returncode,
            done.stdout.decode(),
            done.stderr.decode(),
            time.monotonic() - began,
        )
        assert "Traceback" not in said.err, said.err
        return said

    def begin(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command and do not wait for it; it leads a process group of its own."""
        process = self.lab.popen(
            "controller",
            self.argv(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=env,
        )
        self._begun.append(process)
        return process

    def leave(self) -> None:
        """End what was begun and not awaited; a lab cannot end before its processes are reaped."""
        for process in self._begun:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def start(self, *targets: str) -> Said:
        """Start; all must become ready."""
        said = self.type("start", *targets)
        assert said.code == 0, said.err
        return said

    def status(self) -> dict[str, Any]:
        """``status --json``, decoded; its exit code must say whether it is healthy."""
        said = self.type("status", "--json")
        decoded: dict[str, Any] = json.loads(said.out)
        assert said.code == (0 if decoded["healthy"] else 1)
        return decoded

    def services(self) -> dict[str, Any]:
        services: dict[str, Any] = self.status()["services"]
        return services

    def states(self) -> dict[str, str]:
        return {name: service["state"] for name, service in self.services().items()}

    def problems(self) -> list[tuple[str, str]]:
        """Code and node of each problem."""
        return [(p["code"], p["node"]) for p in self.status()["problems"]]

    def folder(self, instance: str) -> str:
        """An instance's folder on its node."""
        return f"~/.local/state/fleetctl/{self.fleet}/job/{instance}"


def finish(process: subprocess.Popen[bytes], timeout_s: float = 30.0) -> Said:
    """Wait for a command that was begun."""
    began = time.monotonic()
    try:
        out, err = process.communicate(timeout=patient(timeout_s))
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"did not end within {timeout_s} s: {err.decode()}") from None
    said = Said(process.returncode, out.decode(), err.decode(), time.monotonic() - began)
    assert "Traceback" not in said.err, said.err
    return said


def interrupt(process: subprocess.Popen[bytes]) -> Said:
    """Type Ctrl-C at a command and wait for its end, which must be prompt."""
    process.send_signal(signal.SIGINT)
    return finish(process, timeout_s=10.0)


def sh(lab: Lab, node: str, script: str, *, user: str | None = None) -> str:
    """What a shell script on a node prints; it must succeed."""
    done = lab.run(node, ["sh", "-c", script], user=user)
    assert done.returncode == 0, (script, done.stderr.decode())
    return done.stdout.decode()


def commands(lab: Lab, node: str) -> dict[int, str]:
    """The command lines of all processes on a node, by process id."""
    # pytest-xdist says how wide a terminal is, and ps would cut what is longer
    lines = sh(lab, node, "COLUMNS=10000 ps -eo pid=,args=", user="root").splitlines()
    pairs = (line.strip().partition(" ") for line in lines)
    return {int(pid): command.strip() for pid, _, command in pairs}


def running(lab: Lab, node: str, text: str) -> list[int]:
    """Processes on a node whose command line begins with ``text``, whatever folder its program is
    named with."""
    return [
        pid
        for pid, command in commands(lab, node).items()
        if command.startswith(text) or _without_folder(command).startswith(text)
    ]


def _without_folder(command: str) -> str:
    program, blank, rest = command.partition(" ")
    return f"{program.rpartition('/')[2]}{blank}{rest}"
