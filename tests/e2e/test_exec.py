"""exec: the same command on many nodes."""

from __future__ import annotations

import json
import subprocess

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import User, running
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

JOB = {"worker": {"on": ["mini", "pi"], "command": "true"}}


@pytest.fixture
def job(user: MakeUser) -> User:
    return user(JOB)


def test_identical_output_is_folded_and_the_exit_code_is_the_worst(job: User) -> None:
    said = job.type("exec", "*", "--", "echo same; echo odd >&2")
    assert (said.code, said.out) == (0, "── hub, mini, pi, here\nsame\n")
    assert said.err == "odd\n"
    line = "case $(hostname) in hub) exit 3 ;; pi) echo mine; exit 5 ;; *) echo fine ;; esac"
    said = job.type("exec", "hub", "worker", "here", "--", line)
    assert said.code == 5
    assert said.out == "── hub (exit code 3)\n── mini, here\nfine\n── pi (exit code 5)\nmine\n"


def test_one_node_prints_nothing_but_its_output(job: User) -> None:
    said = job.type("exec", "worker@pi", "--", "printf no-end; exit 4")
    assert (said.code, said.out, said.err) == (4, "no-end\n", "")


WORDS = ["two words", "'", '"', "$(touch pwned)", "a\nb", "`x`", "\\", "ünï ☃", "*", "", "-n", "--"]


def test_words_arrive_exactly(lab: Lab, job: User) -> None:
    show = "import sys, json; print(json.dumps(sys.argv[1:]))"
    for node in ("pi", "here"):
        said = job.type("exec", node, "--", "python3", "-c", show, *WORDS)
        assert (said.code, json.loads(said.out)) == (0, WORDS)
    line = 'printf "%s|" \'two words\' "it\'s $((1 + 1))"; echo "☃\n$HOME"'
    assert job.type("exec", "pi", "--", line).out == "two words|it's 2|☃\n/home/pi\n"
    assert b"pwned" not in lab.run("pi", ["ls"]).stdout


def test_what_it_reads_is_empty_and_what_it_prints_is_bytes(lab: Lab, job: User) -> None:
    said = job.type("exec", "pi", "--", "cat; echo after")
    assert said.out == "after\n"
    done = lab.run("controller", job.argv("exec", "pi", "--", r"printf '\377\000\n'"))
    assert done.stdout == b"\xff\x00\n"


def test_a_deadline(lab: Lab, job: User) -> None:
    said = job.type("exec", "--timeout", "1", "pi", "mini", "--", "sleep 4950")
    assert said.code == 255
    assert said.took_s < 8
    for node in ("pi", "mini"):
        assert f"fleetctl: {node}: a command did not end within 1 s" in said.err
    assert running(lab, "pi", "sleep 4950") == []


def test_wrong_calls(job: User) -> None:
    for arguments in (["pi"], ["--", "true"], ["pi", "--"]):
        said = job.type("exec", *arguments)
        assert said.code == 2
        assert said.err == (
            "fleetctl: exec needs targets, then --, then a command. "
            "For example: fleetctl exec 'pi*' -- uptime\n"
        )
    said = job.type("exec", "pii", "--", "true")
    assert (said.code, said.err) == (
        2,
        "fleetctl: 'pii' is no node, service or instance. Did you mean 'pi'?\n",
    )


def test_a_reader_that_closes_the_pipe(lab: Lab, job: User) -> None:
    pipe = f"{' '.join(job.argv('exec', 'pi', '--', 'seq 300000'))} | head -n 1"
    pipe = pipe.replace("seq 300000", "'seq 300000'")
    done = lab.run("controller", ["sh", "-c", pipe])
    assert (done.stdout, done.stderr) == (b"1\n", b"")
    assert isinstance(done, subprocess.CompletedProcess)
