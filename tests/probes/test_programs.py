"""Programs that a job requires: what is read of them, and that this machine can be asked."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from fleetctl.model.facts import Program
from fleetctl.model.questions import Questions
from fleetctl.probes.asked import programs
from fleetctl.probes.asked.programs import read_programs
from fleetctl.probes.node import node_script, read_node
from fleetctl.probes.parsers.version import parse_version
from fleetctl.probes.script import Answer


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Python 3.11.2", "3.11.2"),
        ("Python 3.13.0rc1", "3.13.0"),
        ("git version 2.39.5 (Apple Git-154)", "2.39.5"),
        ("iperf 3.9 (cJSON 1.7.13)\nDarwin mini1 24.6.0", "3.9"),
        ("iperf 3.18+ (cJSON 1.7.15)", "3.18"),
        ("uv 0.5.11 (c4d0caaee 2024-12-19)", "0.5.11"),
        ("tmux 3.3a", "3.3"),
        ("tmux next-3.6", "3.6"),
        ("rsync  version 3.2.7  protocol version 31", "3.2.7"),
        ("openrsync: protocol version 29\nrsync version 2.6.9 compatible", "2.6.9"),
        ("OpenSSH_9.2p1 Debian-2+deb12u5, OpenSSL 3.0.15 3 Sep 2024", "9.2"),
        ("less 590 (GNU regular expressions)", "590"),
        ("ffmpeg version n7.1 Copyright (c) 2000-2024", "7.1"),
        ("v18.19.0", "18.19.0"),
        ("\ncurl 7.88.1 (aarch64-unknown-linux-gnu)", "7.88.1"),
        ("no number", None),
        ("x86", None),
        ("", None),
    ],
)
def test_the_version_that_a_program_prints(said: str, version: str | None) -> None:
    assert parse_version(said.splitlines()) == version


ANSWER = """\
program uv -
program git /usr/bin/git
program python3 /usr/bin/python3\tPython 3.11.2\t\texit 0\texit 0
program odd /opt/my tools/odd\tI am odd\t\texit 0\texit 0
program hangs /bin/hangs\t\texit 137\texit 137
program broken /bin/broken\tlibpython3.11.so.1.0: cannot open\t\texit 127\texit 127
program silent /bin/silent\t\texit 0\texit 0
"""


def test_what_is_read_of_programs() -> None:
    assert read_programs(Answer(ANSWER, 0)) == {
        "uv": Program(None),
        "git": Program("/usr/bin/git"),
        "python3": Program("/usr/bin/python3", "3.11.2"),
        "odd": Program("/opt/my tools/odd", why="there is no number in what it says: I am odd"),
        "hangs": Program("/bin/hangs", why="no answer within 3 s"),
        "broken": Program(
            "/bin/broken", why="it ended with exit 127: libpython3.11.so.1.0: cannot open"
        ),
        "silent": Program("/bin/silent", why="there is no number in what it says: nothing"),
    }


def test_a_quick_look_keeps_the_versions() -> None:
    deep = {"git": Program("/usr/bin/git", "2.39"), "uv": Program("/bin/uv", "0.5")}
    quick = {"git": Program("/usr/bin/git"), "uv": Program("/opt/uv")}
    assert programs.PROBE.renew(deep, quick) == {
        "git": Program("/usr/bin/git", "2.39"),
        "uv": Program("/opt/uv"),
    }
    gone = {"git": Program(None), "uv": Program("/bin/uv", why="no answer within 3 s")}
    assert programs.PROBE.renew(deep, gone) == gone


def ask(folder: Path, system: str, *names: str, versions: bool = True) -> Mapping[str, Program]:
    """What this machine says of programs in ``folder``, taken for one with ``system``."""
    script = node_script(
        Questions("f", "n", programs=names, versions=versions),
        without=frozenset({"sockets", "runs", "interfaces", "system"}),
    )
    found: Mapping[str, Program] | None = None
    for shell in ("dash", "bash"):
        quicker = script.text.replace("-s KILL 3 ", "-s KILL 1 ").replace("alarm 3;", "alarm 1;")
        text = f"PATH={folder}:$PATH\nuname() {{ echo '{system} box amd64'; }}\n{quicker}"
        done = subprocess.run([shell, "-c", text], capture_output=True, timeout=30, check=True)
        found = read_node(script, done.stdout.decode(), done.stderr.decode()).programs
    assert found is not None
    return found


@pytest.mark.parametrize("system", ["Linux", "Darwin"])
def test_this_machine_is_asked(tmp_path: Path, system: str) -> None:
    for name, text in {
        "good": "echo good 1.2.3",
        "hangs": "sleep 60 & echo 1.0; wait",
        "floods": "while echo 7.0; do sleep 0.01; done",
        "tmux": '[ "$1" = -V ] && echo tmux 3.3a',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    found = ask(tmp_path, system, "good", "hangs", "floods", "tmux", "no-such")
    slow = "no answer within 3 s"
    assert found == {
        "good": Program(f"{tmp_path}/good", "1.2.3"),
        "hangs": Program(f"{tmp_path}/hangs", why=slow),
        "floods": Program(f"{tmp_path}/floods", why=slow),
        "tmux": Program(f"{tmp_path}/tmux", "3.3"),
        "no-such": Program(None),
    }
    assert ask(tmp_path, system, "good", "no-such", versions=False) == {
        "good": Program(f"{tmp_path}/good"),
        "no-such": Program(None),
    }


def test_apples_stand_ins_are_no_programs() -> None:
    """This machine has no developer tools of Apple's."""
    found = ask(Path("/"), "Darwin", "git", "sh", versions=False)
    assert found["git"] == Program(None)
    assert found["sh"].path
