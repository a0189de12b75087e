"""logs: past and new lines, none lost and none twice."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import CONNECT_TIMEOUT_S, eventually, interrupt, running, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

COUNT = 'i=0; while :; do i=$((i+1)); echo "$FLEETCTL_NODE line $i"; sleep 0.02; done'
QUICK = {"grace": 1}


def talker(command: str, *nodes: str, **more: Any) -> dict[str, dict[str, Any]]:
    return {"talker": {"on": list(nodes), "command": command, "stop": QUICK, **more}}


class Reader:
    """Collects the output of a running command."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))

    def end(self) -> list[str]:
        self.process.terminate()
        self._thread.join(10)
        return self.lines


def test_past_lines(lab: Lab, user: MakeUser) -> None:
    odd = "printf 'one\\ntwo: \\033[31mred\\033[0m\\033[2J ünï ☃\\nten%%\\rdone\\nlast without end'"
    job = user(talker(f"{odd}; exec sleep 4900", "mini", "here"))
    job.start()
    text = ["one", "two: \x1b[31mred\x1b[0m ünï ☃", "done", "last without end"]
    said = job.type("logs", "talker@mini")
    assert (said.code, said.out.splitlines(), said.err) == (0, text, "")
    assert job.type("logs", "-n", "2", "talker@mini").out.splitlines() == text[2:]
    assert job.type("logs", "-n", "0", "talker@mini").out == ""
    assert job.type("logs", "--grep", "^t|last", "talker@mini").out.splitlines() == [
        text[1],
        text[3],
    ]
    seen = "^two: red ünï"  # colours are not among what a person reads
    assert job.type("logs", "--grep", seen, "talker@mini").out.splitlines() == [text[1]]
    both = job.type("logs", "-n", "1").out.splitlines()
    assert sorted(both) == ["talker@here | last without end", "talker@mini | last without end"]
    stamped = job.type("logs", "-n", "1", "--timestamps", "talker@here").out
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  last without end\n", stamped)
    objects = [json.loads(x) for x in job.type("logs", "--json").out.splitlines()]
    for name in ("talker@mini", "talker@here"):
        mine = [one for one in objects if one["instance"] == name]
        assert [one["text"] for one in mine] == text
        assert [one["offset"] for one in mine] == sorted({one["offset"] for one in mine})
        assert all(abs(one["at"] - time.time()) < 60 for one in mine)

    assert job.type("logs", "--since", "1m", "talker@mini").out.splitlines() == text
    # an old log, and one line that is new
    sh(lab, "mini", f"cd {job.folder('talker@mini')}/log && sed -i 's/^[0-9]*/1000000000/' *.idx")
    stopped = job.type("stop", "mini")
    assert stopped.code == 0
    job.write(talker("echo new; exec sleep 4900", "mini", "here"))
    job.start("mini")
    eventually(
        lambda: job.type("logs", "--since", "50s", "talker@mini").out.endswith("new\n"),
        "the new line",
    )
    assert "one" not in job.type("logs", "--since", "50s", "talker@mini").out.split()
    assert "one" in job.type("logs", "--since", "20000d", "talker@mini").out.split()
    assert job.type("stop").code == 0


def test_wrong_calls(user: MakeUser) -> None:
    job = user(talker("true", "mini"))
    for arguments, sentence in (
        (["--since", "soon"], "'soon' is not an age such as 90s, 10m, 2h or 1d"),
        (["--grep", "("], "'(' is not a regular expression: "),
        (["nobody"], "'nobody' is no node, service or instance"),
        (["hub"], "nothing that is started by fleetctl is chosen"),
    ):
        said = job.type("logs", *arguments)
        assert said.code == 2
        assert sentence in said.err


def test_following_across_a_restart_and_a_cut(lab: Lab, user: MakeUser) -> None:
    job = user(
        talker(COUNT, "pi", "mini", restart={"policy": "always", "delay": 0.1}, ready={"delay": 0})
    )
    job.start()
    reader = Reader(job.begin("logs", "-f", "-n", "1000"))
    eventually(lambda: len(reader.lines) > 20, "lines come")
    lab.fault("wifi-down", "pi")
    (worker, *_) = running(lab, "mini", "sh -c i=0")
    sh(lab, "mini", f"kill -9 {worker}", user="root")
    errors = reader.process.stderr
    assert errors
    line = errors.readline().decode()
    assert line.startswith("fleetctl: talker@pi: the connection broke")
    lab.heal()
    assert errors.readline() == b"fleetctl: talker@pi: reached again\n"
    sh(lab, "pi", "pkill -9 -f '[s]h -c i=0'", user="root")
    here = len(reader.lines)
    eventually(
        lambda: any(x == "talker@pi   | pi line 20" for x in reader.lines[here:]),
        "the restarted one talks again",
    )
    lines = reader.end()
    for name, node in (("talker@pi", "pi"), ("talker@mini", "mini")):
        mine = [x.split(" | ", 1)[1] for x in lines if x.startswith(name)]
        numbers = [int(x.split()[-1]) for x in mine if x.startswith(f"{node} line ")]
        (again,) = (i for i, number in enumerate(numbers) if number == 1 and i > 0)
        assert numbers[:again] == list(range(1, again + 1))
        assert numbers[again:] == list(range(1, len(numbers) - again + 1))
        assert "fleetctl: ended with exit code 137; restart 1 in 0.1 s" in mine
    assert job.type("stop").code == 0


def await_follower(lab: Lab) -> None:
    """Wait until a log on mini that is not there yet is waited for."""
    eventually(lambda: running(lab, "mini", "sleep 0.3"), "it is followed")


def test_following_from_before_the_start(lab: Lab, user: MakeUser) -> None:
    """It may be followed before it ever ran, and as JSON with the moment each line came."""
    job = user(talker("echo hello; exec sleep 4901", "mini"))
    process = job.begin("logs", "-f", "--json", "--grep", "hello")
    reader = Reader(process)
    await_follower(lab)
    job.start()
    eventually(lambda: reader.lines, "the line comes")
    line = json.loads(reader.end()[0])
    assert (line["instance"], line["offset"], line["text"]) == ("talker@mini", 0, "hello")
    assert abs(line["at"] - time.time()) < 30
    eventually(lambda: not running(lab, "mini", "tail -c"), "no follower is left on the node")
    assert job.type("stop").code == 0


def test_much_output_is_not_lost(lab: Lab, user: MakeUser) -> None:
    job = user(talker("seq 1 200000; exec sleep 4902", "mini"))
    reader = Reader(job.begin("logs", "-f"))
    await_follower(lab)
    job.start()
    eventually(lambda: reader.lines[-1:] == ["200000"], "all came", timeout_s=20)
    assert reader.end() == [str(i) for i in range(1, 200001)]
    assert job.type("stop").code == 0


def test_a_node_that_is_off(lab: Lab, user: MakeUser) -> None:
    job = user(talker("echo here; exec sleep 4903", "mini", "pi"))
    job.start("mini")
    lab.fault("power-off", "pi")
    said = job.type("logs")
    assert said.code == 1
    assert said.out == "talker@mini | here\n"
    assert said.err.startswith("fleetctl: talker@pi: no ")
    following = job.begin("logs", "-f")
    assert following.stdout
    assert following.stdout.readline() == b"talker@mini | here\n"
    assert interrupt(following).code == 130
    assert job.type("stop", "mini").code == 0


def test_following_waits_for_no_dead_node(lab: Lab, user: MakeUser) -> None:
    job = user(talker('echo "$FLEETCTL_NODE is up"; exec sleep 4907', "mini", "pi"))
    job.start()
    lab.fault("power-off", "pi")
    began = time.monotonic()
    reader = Reader(job.begin("logs", "-f", "-n", "1"))
    try:
        eventually(lambda: reader.lines == ["talker@mini | mini is up"], "the living node's line")
        assert time.monotonic() - began < CONNECT_TIMEOUT_S
        lab.heal("power-off", "pi")
        eventually(
            lambda: "talker@pi   | pi is up" in reader.lines, "the other one's, once it is back"
        )
    finally:
        reader.end()
    assert len(reader.lines) == 2
