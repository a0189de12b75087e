"""`fleetctl` without a command."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.terminal import Outside, Terminal

FLEETCTL = [sys.executable, "-m", "fleetctl"]
LOCAL = "fleet: here\nnodes:\n  here: {connection: local}\n"


def typed(folder: Path, command: Sequence[str] = FLEETCTL) -> Terminal:
    """A command on a terminal, with ``folder`` as home."""
    return Terminal(Outside(folder, HOME=str(folder)), command)


def test_without_a_terminal_one_line_names_status(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    done = subprocess.run(
        FLEETCTL, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "fleetctl: the dashboard needs a terminal. For a table, or JSON: fleetctl status [--json]"
    ]


def test_with_stderr_elsewhere_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    with typed(tmp_path, ["sh", "-c", f"{shlex.join(FLEETCTL)} 2>said; cat said"]) as run:
        run.wait_for("the dashboard needs a terminal, also as stderr.")
        assert "\x1b" not in run.raw


def test_a_mistake_in_the_file_is_reported_before_any_screen(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text("fleet: here\nnodes:\n  here: {conection: local}\n")
    with typed(tmp_path) as run:
        assert run.wait_for_end() == 2
        assert "nodes.yaml:3:10" in run.text
        assert "\x1b[?1049h" not in run.raw


@pytest.mark.parametrize("how", ["q", "TERM"])
def test_it_opens_and_gives_the_terminal_back(tmp_path: Path, how: str) -> None:
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    with typed(tmp_path) as run:
        run.wait_for("1/1 nodes")
        if how == "q":
            run.type("q")
        else:
            run.process.send_signal(signal.SIGTERM)
        assert run.wait_for_end() == (0 if how == "q" else 143)
        assert run.raw.rindex("\x1b[?1049l") > run.raw.rindex("\x1b[?1049h")


MODES_SET = re.compile(r"\x1b\[\?(\d+)h")


def still_set(raw: str) -> set[str]:
    """The modes of the terminal that were switched on, and not off again."""
    return {
        mode
        for mode in MODES_SET.findall(raw)
        if raw.rfind(f"\x1b[?{mode}l") < raw.rfind(f"\x1b[?{mode}h")
    } - {"25", "7"}  # on by default


def test_killed_it_leaves_a_usable_terminal_to_its_parent(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    parent = ["sh", "-c", f"{shlex.join(FLEETCTL)} & echo pid $!.; fg >/dev/null; read line"]
    parent[1:1] = ["-m"]
    with typed(tmp_path, parent) as run:
        before = termios.tcgetattr(run._fd)[:4]
        run.wait_for("1/1 nodes")
        assert termios.tcgetattr(run._fd)[:4] != before
        assert "1049" in still_set(run.raw)
        found = re.search(r"pid (\d+)\.", run.text)
        assert found
        os.kill(int(found[1]), signal.SIGKILL)
        run.wait_for("the dashboard was killed; what was started runs on: fleetctl status")
        assert still_set(run.raw) == set()
        assert run.raw.rindex("\x1b[?25h") > run.raw.rindex("\x1b[?25l")
        deadline = time.monotonic() + 10
        while termios.tcgetattr(run._fd)[:4] != before:
            assert time.monotonic() < deadline
            run.read(0.05)


def test_left_in_order_the_guard_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    with typed(tmp_path) as run:
        run.wait_for("1/1 nodes")
        run.type("q")
        assert run.wait_for_end() == 0
        assert "was killed" not in run.text
        assert still_set(run.raw) == set()


@pytest.mark.parametrize("command", [[], ["attach", "w@here"]])
def test_a_terminal_without_a_cursor_is_refused_in_a_sentence(
    tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    with typed(tmp_path, ["env", "TERM=dumb", *FLEETCTL, *command]) as run:
        assert run.wait_for_end() == 2
        assert "needs a terminal that can move its cursor, and TERM=dumb is none." in run.text
        assert "\x1b" not in run.raw


@pytest.mark.parametrize("told", [True, False])
def test_it_ends_with_its_terminal(tmp_path: Path, told: bool) -> None:
    """Not every process gets SIGHUP then, and reading or writing would block forever."""
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    deaf = ["sh", "-c", f"trap '' HUP; exec {shlex.join(FLEETCTL)}"]
    with typed(tmp_path, FLEETCTL if told else deaf) as run:
        run.wait_for("1/1 nodes")
        run.hang_up()
        assert run.wait_for_end() == 129


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(LOCAL)
    with typed(tmp_path) as run:
        run.wait_for("1/1 nodes")
        file.write_text("fleet: other\nnodes: {here: {connection: local}, pad: {connection: none}}")
        run.wait_for("nodes.yaml was changed")
        run.type("\x10")
        run.wait_for("which node reaches which")  # one of the first of the list
        run.type("read nodes")
        run.wait_for("opens the dashboard anew")
        run.type("\r")
        run.wait_for("other  ")
        run.wait_for("pad")
        run.type("q")
        assert run.wait_for_end() == 0


def test_a_first_run_writes_an_example_and_harms_none(tmp_path: Path) -> None:
    with typed(tmp_path) as run:
        run.wait_for("Welcome to fleetctl")
        run.type("\x1b[B")
        run.type("\r")
        assert run.wait_for_end() == 0
        assert "Wrote nodes.yaml" in run.text
        shipped = Path(__file__).parents[2] / "nodes.yaml"
        assert (tmp_path / "nodes.yaml").read_text() == shipped.read_text()


def test_a_bug_ends_it_without_printing_values(tmp_path: Path) -> None:
    """The environment of a job may hold secrets, and a traceback with values would print it."""
    service = "{on: here, command: 'true', env: {KEY: s3cret}}"
    (tmp_path / "nodes.yaml").write_text(f"{LOCAL}jobs: {{j: {{services: {{s: {service}}}}}}}\n")
    program = (
        "from fleetctl.tui.screens.dashboard import Dashboard\n"
        "def show(self, snapshot):\n"
        "    job = self.app.service.job\n"
        "    raise ZeroDivisionError('whatever')\n"
        "Dashboard._show = show\n"
        "from fleetctl.__main__ import main\n"
        "main()\n"
    )
    with typed(tmp_path, command=[sys.executable, "-c", program]) as run:
        assert run.wait_for_end() == 1
        assert "ZeroDivisionError" in run.text
        assert "s3cret" not in run.text
        assert run.raw.rindex("\x1b[?1049l") > run.raw.rindex("\x1b[?1049h")
