"""What is written to a terminal and to a pipe, and the promises of `status --json`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import eventually, sh
from tests.e2e.conftest import MakeUser
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.lab

JOB: dict[str, dict[str, Any]] = {
    "worker": {
        "on": ["mini", "pi", "here"],
        "command": "while echo talk; do sleep 0.05; done",
        "stop": {"grace": 1},
    }
}


def obeys(schema: dict[str, Any], rule: dict[str, Any], value: Any) -> bool:
    """Whether ``value`` obeys ``rule``, with the keywords that msgspec writes."""
    if "$ref" in rule:
        rule = schema["$defs"][rule["$ref"].removeprefix("#/$defs/")]
    if "anyOf" in rule:
        return any(obeys(schema, one, value) for one in rule["anyOf"])
    if "enum" in rule:
        return value in rule["enum"]
    match rule.get("type"):
        case "object":
            fixed, others = rule.get("properties", {}), rule.get("additionalProperties", {})
            return (
                isinstance(value, dict)
                and set(rule.get("required", ())) <= set(value)
                and all(obeys(schema, fixed.get(k, others), v) for k, v in value.items())
                and (not fixed or set(value) <= set(fixed))
            )
        case "array":
            return isinstance(value, list) and all(obeys(schema, rule["items"], v) for v in value)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "null":
            return value is None
    raise AssertionError(f"a rule that this test does not know: {rule}")


def test_status_obeys_its_schema(lab: Lab, user: MakeUser) -> None:
    job = user({**JOB, "bad": {"on": "hub", "command": "exit 3"}})
    schema = json.loads(job.type("status", "--schema").out)
    assert schema["$ref"] == "#/$defs/FleetStatus"
    job.type("start")
    status = job.status()
    assert status["schema"] == "fleetctl.status/1"
    assert obeys(schema, schema, status)
    assert not obeys(schema, schema, {**status, "healthy": "yes"})
    lab.fault("sshd-hang", "pi")
    hung = job.status()
    assert obeys(schema, schema, hung)
    pi = hung["nodes"]["pi"]
    for part in (*pi["routes"], *pi["addresses"], *pi["reachability"]):
        assert part["ok"] is None  # not known is null, with its reason
        assert "SSH" in part["reason"] or "answer" in part["reason"]
    assert status["nodes"]["pi"]["routes"][0]["to"] == "10.10.0.0/24"
    assert status["nodes"]["hub"]["forwarding"]["expected"] is True
    lab.heal()
    job.type("stop")


def test_status_costs_one_connection_a_node(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    job.start()

    def logins(node: str) -> int:
        return int(sh(lab, node, "grep -c 'Accepted publickey' /var/log/sshd.log", user="root"))

    before = {node: logins(node) for node in ("hub", "mini", "pi")}
    job.status()
    assert {node: logins(node) - n for node, n in before.items()} == {"hub": 1, "mini": 1, "pi": 1}
    job.type("stop")


def test_colours_on_a_terminal_only(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    piped = [
        job.type("start"),
        job.type("status"),
        job.type("logs", "-n", "3"),
        job.type("exec", "*", "--", "true"),
        job.type("start", "--dry-run"),
    ]
    assert not [said for said in piped if "\x1b" in said.out + said.err]
    for arguments in (["status"], ["logs", "-n", "1"]):
        with Terminal(lab, job.argv(*arguments)) as terminal:
            assert terminal.wait_for_end() == 0
            assert "\x1b[3" in terminal.raw
        with Terminal(lab, ["env", "NO_COLOR=1", *job.argv(*arguments)]) as terminal:
            assert terminal.wait_for_end() == 0
            assert "\x1b[3" not in terminal.raw
            assert "worker@mini" in terminal.text
    with Terminal(lab, job.argv("status"), columns=50) as narrow:
        assert narrow.wait_for_end() == 0
        assert max(len(line) for line in narrow.text.splitlines() if "worker@" in line) <= 50
    with Terminal(lab, job.argv("stop")) as terminal:
        terminal.wait_for("all 3 stopped")
        assert terminal.wait_for_end() == 0


def test_ascii_where_nothing_else_can_be_shown(user: MakeUser) -> None:
    job = user(JOB)
    said = job.type("status", env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"})
    assert said.code == 0
    assert said.out.isascii()
    assert "worker@mini  o stopped" in said.out or "worker@mini  - stopped" in said.out


def test_a_reader_that_closes_the_pipe(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    job.start("mini", "pi")
    for arguments in ("status", "logs", "status --watch 0.2 --json", *["logs -f"] * 3):
        shell = f"fleetctl -f {job.path} {arguments} worker | head -n 1"
        done = lab.run("controller", ["sh", "-c", shell], timeout_s=15)
        assert (arguments, done.stdout.count(b"\n"), done.stderr) == (arguments, 1, b"")
    job.type("stop")


def test_watch(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    with Terminal(lab, job.argv("status", "--watch", "0.2")) as terminal:
        eventually(lambda: (terminal.read(0.1), terminal.raw.count("\x1b[2J") >= 2)[1], "two")
        terminal.type("\x03")
        assert terminal.wait_for_end() == 130
