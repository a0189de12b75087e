"""exec: the same command on many nodes."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import User, eventually, finish, interrupt, running
from tests.e2e.conftest import MakeUser
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.lab

JOB = {"worker": {"on": ["mini", "pi"], "command": "true"}}


@pytest.fixture
def job(user: MakeUser) -> User:
    return user(JOB)


def test_identical_output_is_folded_and_the_exit_code_is_the_worst(job: User) -> None:
    said = job.type("exec", "*", "--", "echo same; echo odd >&2")
    assert (said.code, said.out) == (0, "── hub, mini, pi, here\nsame\n")
    assert said.err == "odd\n4 nodes: 4 ok\n"
    line = "case $(hostname) in hub) exit 3 ;; pi) echo mine; exit 5 ;; *) echo fine ;; esac"
    said = job.type("exec", "hub", "worker", "here", "--", line)
    assert said.code == 5
    assert said.out == "── hub (exit code 3)\n── mini, here\nfine\n── pi (exit code 5)\nmine\n"


def test_one_node_prints_nothing_but_its_output(job: User) -> None:
    said = job.type("exec", "worker@pi", "--", "printf no-end; exit 4")
    assert (said.code, said.out, said.err) == (4, "no-end", "")


def test_it_reads_stdin_and_every_byte_goes_there_and_back(lab: Lab, job: User) -> None:
    payload = os.urandom(1 << 20) + b"\x1efleetctl\n\x00no end"
    done = lab.run("controller", job.argv("exec", "pi", "--", "cat"), input=payload)
    assert (done.returncode, done.stdout == payload, done.stderr) == (0, True, b"")
    done = lab.run("controller", job.argv("exec", "*", "--", "wc -c"), input=payload)
    title, count = done.stdout.decode().splitlines()
    assert (title, int(count)) == ("── hub, mini, pi, here", len(payload))
    done = lab.run("controller", job.argv("exec", "-n", "pi", "--", "wc -c"), input=payload)
    assert done.stdout.split() == [b"0"]


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
    assert said.took_s < 30
    for node in ("pi", "mini"):
        assert f"fleetctl: {node}: a command did not end within 1 s" in said.err
    assert running(lab, "pi", "sleep 4950") == []
    said = job.type("exec", "--timeout", "1", "pi", "mini", "--", "echo begun; exec sleep 4950")
    why = "cut off: a command did not end within 1 s"
    assert said.out == f"── mini, pi ({why})\nbegun\n"
    assert said.err.endswith("2 nodes: 2 timed out (mini, pi)\n")


def test_ctrl_c_keeps_what_was_said_and_ends_the_commands(lab: Lab, job: User) -> None:
    process = job.begin("exec", "--stream", "pi", "mini", "--", "echo begun; exec sleep 4951")
    assert process.stdout
    assert {process.stdout.readline() for _ in range(2)} == {b"pi   | begun\n", b"mini | begun\n"}
    said = interrupt(process)
    assert said.code == 130
    assert said.err.split("\n")[0] == "2 nodes: 2 interrupted (mini, pi)"
    eventually(lambda: not running(lab, "pi", "sleep 4951"), "it is ended")

    process = job.begin("exec", "pi", "mini", "--", "echo begun; exec sleep 4952")
    eventually(lambda: running(lab, "pi", "sleep 4952"), "it runs")
    eventually(lambda: running(lab, "mini", "sleep 4952"), "it runs")
    said = interrupt(process)
    assert (said.code, said.out) == (130, "── mini, pi (cut off: interrupted)\nbegun\n")


def test_lines_come_at_once_with_their_nodes(job: User) -> None:
    process = job.begin("exec", "--stream", "pi", "--", "echo first; echo odd >&2; cat; echo last")
    said = finish(process)
    assert (said.code, said.out, said.err) == (0, "pi | first\npi | last\n", "pi | odd\n")


def test_what_differs_from_most_nodes(job: User) -> None:
    line = "seq 1 5; test $(hostname) != pi || { echo more; exit 2; }; echo end"
    said = job.type("exec", "--diff", "hub", "mini", "pi", "--", line)
    same = "".join(f"{number}\n" for number in range(1, 6))
    assert said.out == (
        f"── hub, mini\n{same}end\n"
        "--- hub, mini\n+++ pi (exit code 2)\n@@ -3,4 +3,4 @@\n 3\n 4\n 5\n-end\n+more\n"
    )
    assert (said.code, said.err) == (2, "3 nodes: 2 ok, 1 failed (pi)\n")


def test_a_node_cannot_set_the_terminal_s_title_or_move_its_cursor(lab: Lab, job: User) -> None:
    nasty = r"printf '\033]0;title\007\033[2J\033[32mgreen\033[0m\n'"
    for options, nodes in (([], ["pi"]), ([], ["pi", "mini"]), (["--stream"], ["pi"])):
        argv = job.argv("exec", *options, *nodes, "--", nasty)
        with Terminal(lab, argv) as terminal:
            assert terminal.wait_for_end(20) == 0
            assert "\x1b[32mgreen\x1b[0m" in terminal.raw
            assert "title" not in terminal.raw
            assert "\x1b[2J" not in terminal.raw


def test_wrong_calls(job: User) -> None:
    for arguments in (["pi"], ["--", "true"], ["pi", "--"]):
        said = job.type("exec", *arguments)
        assert said.code == 2
        assert said.err == (
            "fleetctl: exec needs targets, then --, then a command. "
            "For example: fleetctl exec 'pi*' -- uptime\n"
        )
    said = job.type("exec", "--stream", "--diff", "pi", "--", "true")
    assert (said.code, said.err) == (2, "fleetctl: --stream and --diff exclude each other\n")
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
