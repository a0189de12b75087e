"""`fleetctl` without a command."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

FLEETCTL = [sys.executable, "-m", "fleetctl"]
LOCAL = "fleet: here\nnodes:\n  here: {connection: local}\n"


class Typed:
    """The program on a terminal."""

    def __init__(self, folder: Path, command: Sequence[str] = FLEETCTL) -> None:
        self._fd, follower = pty.openpty()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**os.environ, "HOME": str(folder), "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(follower)
        self.text = ""

    def __enter__(self) -> Typed:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the terminal."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def until(self, part: str, timeout_s: float = 20.0) -> None:
        """Read until ``part`` comes."""
        deadline = time.monotonic() + timeout_s
        while part not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self._fd], [], [], 0.1)[0]:
                self.text += self._read()

    def _read(self) -> str:
        try:
            return os.read(self._fd, 65536).decode("utf-8", "replace")
        except OSError:  # Linux says so of a terminal that nobody holds any more
            return ""

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def end(self) -> int:
        """Wait for its end; the exit code."""
        deadline = time.monotonic() + 15
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.text
            if self._fd < 0:
                time.sleep(0.05)
            elif select.select([self._fd], [], [], 0.1)[0]:
                self.text += self._read()
        while self._fd >= 0 and select.select([self._fd], [], [], 0.2)[0]:
            if not (more := self._read()):
                break
            self.text += more
        return self.process.returncode


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


def test_a_mistake_in_the_file_is_said_before_any_screen(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text("fleet: here\nnodes:\n  here: {conection: local}\n")
    with Typed(tmp_path) as run:
        assert run.end() == 2
        assert "nodes.yaml:3:10" in run.text
        assert "\x1b[?1049h" not in run.text


@pytest.mark.parametrize("how", ["q", "TERM"])
def test_it_opens_and_gives_the_terminal_back(tmp_path: Path, how: str) -> None:
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    with Typed(tmp_path) as run:
        run.until("1/1 nodes")
        if how == "q":
            run.type("q")
        else:
            run.process.send_signal(signal.SIGTERM)
        assert run.end() == (0 if how == "q" else 143)
        assert run.text.rindex("\x1b[?1049l") > run.text.rindex("\x1b[?1049h")


def test_it_ends_with_its_terminal(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    with Typed(tmp_path) as run:
        run.until("1/1 nodes")
        run.hang_up()
        assert run.end() == 129


def test_a_first_run_writes_an_example_and_harms_none(tmp_path: Path) -> None:
    with Typed(tmp_path) as run:
        run.until("Welcome to fleetctl")
        run.type("\x1b[B")
        run.type("\r")
        assert run.end() == 0
        assert "Wrote nodes.yaml" in run.text
        shipped = Path(__file__).parents[2] / "nodes.yaml"
        assert (tmp_path / "nodes.yaml").read_text() == shipped.read_text()


def test_a_bug_ends_it_without_telling_values(tmp_path: Path) -> None:
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
    with Typed(tmp_path, command=[sys.executable, "-c", program]) as run:
        assert run.end() == 1
        assert "ZeroDivisionError" in run.text
        assert "s3cret" not in run.text
        assert run.text.rindex("\x1b[?1049l") > run.text.rindex("\x1b[?1049h")
