"""stdout that is closed, or full: one sentence on stderr and a code that is not 0, from every
command; and a reader that has read enough."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetctl.cli import COMMANDS, command
from fleetctl.cli import run as run_here
from tests.cli.test_imports import LOCAL
from tests.warm import Warm

PRINTS = [
    "--help",
    "--version",
    "-f nodes.yaml --version",
    *(f"{name} --help" for name in COMMANDS),
    "status",
    "status --json",
    "status --schema",
    "status --watch",
    "status --json --watch 1",
    "check",
    "check --json",
    "explain",
    "explain forwarding-off",
    "config check",
    "config show",
    "config show --json",
    "config schema",
    "export svg",
    "logs",
    "logs --json",
    "logs -f",
    "open --no-browser",
    "events",
    "events --json",
    "postmortem --no-archive",
    "exec here -- echo said",
    "exec --stream here -- echo said",
    "exec --diff here -- echo said",
    "fix",
    "fix --json",
    "fix --undo --yes",
    "fix --undo --yes --json",
    "start --dry-run",
    "start --dry-run --json",
    "start --json",
    "report here --no-archive",
    "restart --json",
    "stop --json",
    "serve",
    "serve --status",
    "alerts",
    "alerts --json",
    "alerts test",
    "alerts test --json",
    "sync",
    "sync --dry-run",
    "sync --json",
    "top --once",
    "top --once --json",
    "wait --timeout 1 --json",
]
"""What prints on stdout."""
SILENT = [
    "start",
    "stop",
    "restart",
    "attach worker@here",
    "wait",
    "signal worker USR1",
    "send worker text",
    "lab status",
    "bench",
    "history",
    "init",
    "keys",
    "trust",
    "",
]
"""What does not, or only where a lab runs, there are links, or a node is reached over SSH: the
table of the commands is complete with these."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("unwritable")
    (folder / "nodes.yaml").write_text(
        LOCAL.replace(
            'command: "true"', 'command: "echo begun; exec sleep 600", ready: {delay: 0}, web: 8787'
        )
        .replace("connection: local", "connection: local, workdir: ~/there")
        .replace("job: {", "job: {sync: {from: code}, ")
        + "internet: null\nalerts: [{on: problem, to: {command: cat}}]\n"
    )
    for name in ("code", "there"):
        (folder / name).mkdir()
        (folder / name / "file").touch()
    run(folder, "start", "2>&1")
    yield folder
    run(folder, "stop", "2>&1")


def environment(folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "TMUX_TMPDIR": str(folder),
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "LC_ALL": "C.UTF-8",
    }


def run(folder: Path, arguments: str, where: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that redirects it."""
    return subprocess.run(
        ["sh", "-c", f"{shlex.quote(sys.executable)} -m fleetctl {arguments} {where}"],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def test_the_table_has_every_command() -> None:
    tried = {line.split()[0] for line in [*PRINTS, *SILENT] if line and "--help" not in line}
    assert set(COMMANDS) - tried == {"demo"}  # it needs a terminal, or builds a lab
    assert set(COMMANDS) == set(command.list_commands(None))  # type: ignore[arg-type]  # not used


@pytest.mark.parametrize("arguments", [*PRINTS, *SILENT])
def test_closed(folder: Path, arguments: str) -> None:
    done = run(folder, arguments, ">&-")
    assert done.stderr == (
        "fleetctl: stdout is closed, so nothing was done. Redirect it, also >/dev/null.\n"
    )
    assert done.returncode == 1


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    warm = Warm.here()
    yield warm
    warm.end()


def is_told(said: str, code: int) -> None:
    assert "Traceback" not in said
    assert [line for line in said.splitlines() if "stdout cannot be written" in line] == [
        "fleetctl: stdout cannot be written, so the output is not complete: No space left on "
        "device. Make room there, or redirect it."
    ], said
    assert code != 0


@pytest.mark.parametrize("arguments", PRINTS)
def test_full(folder: Path, warm: Warm, arguments: str) -> None:
    done = warm.run(
        ["fleetctl", *shlex.split(arguments)],
        env=environment(folder),
        cwd=str(folder),
        timeout_s=40,
        stdout="/dev/full",
    )
    is_told(done.stderr.decode(), done.returncode)


@pytest.mark.parametrize("arguments", ["--help", "--version", "config show", "status", "logs -f"])
def test_full_from_its_start(folder: Path, arguments: str) -> None:
    done = run(folder, arguments, ">/dev/full")
    is_told(done.stderr, done.returncode)


@pytest.mark.parametrize("arguments", ["--version", "status", "config show", "stop --dry"])
def test_stderr_and_stdin_closed(folder: Path, arguments: str) -> None:
    well = run(folder, arguments, "")
    closed = run(folder, arguments, "2>&- <&-")
    assert closed.returncode == well.returncode
    assert closed.stderr == ""
    assert bool(closed.stdout) == bool(well.stdout)


@pytest.mark.parametrize("arguments", ["logs -f", "status --watch 30", "status --json --watch 30"])
def test_it_ends_with_its_reader_though_nothing_more_comes(folder: Path, arguments: str) -> None:
    done = run(folder, arguments, "| head -1")
    assert done.stdout
    assert "Traceback" not in done.stderr


def test_logs_end_with_a_reader_that_has_found_its_line(folder: Path) -> None:
    assert run(folder, "logs -f", "| grep -m1 begun").stdout == "begun\n"


def test_a_pipe_to_another_program_is_not_taken_for_the_reader(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    def broken(*_: object) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("fleetctl.cli.demo.config.load", broken)
    assert run_here(["demo"]) == 1
    assert "a mistake in fleetctl (BrokenPipeError in" in capsys.readouterr().err


FILLS = """
import os
from fleetctl.streams import Streams
streams = Streams()
from fleetctl.cli.serve import Lines
say = Lines()
say("serving")
there = os.dup(1)
os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
for _ in range(10_000):
    say("lost")
os.dup2(there, 1)
say("heard")
"""


def test_a_disk_that_fills_up_later_does_not_end_a_server() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILLS], capture_output=True, text=True, timeout=40, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("serving", "heard")
    assert len(lines) < 10_000  # what waits has a bound
