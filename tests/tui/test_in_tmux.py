"""The dashboard in a real tmux with TERM=screen and 16 colours: as readable as anywhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.waiting import patient

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0
Tmux = Callable[..., str]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]


@pytest.fixture
def tmux() -> Iterator[Tmux]:
    """A tmux server of its own, and its commands."""
    with tempfile.TemporaryDirectory(prefix="tmux") as folder:
        left_out = {"TMUX", "COLORTERM", "NO_COLOR", "FORCE_COLOR"}
        env = {k: v for k, v in os.environ.items() if k not in left_out}
        env |= {"TMUX_TMPDIR": folder, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}

        def run(*argv: str) -> str:
            done = subprocess.run(
                ["tmux", "-u", "-L", "dashboard", "-f", "/dev/null", *argv],
                env=env,
                capture_output=True,
                text=True,
                timeout=WAIT_S,
                check=True,
            )
            return done.stdout

        shell = "exec env TERM=screen bash --norc"
        run("new-session", "-d", "-x", "80", "-y", "24", "-s", "a", "-c", str(ROOT), shell)
        run("send-keys", "-t", "a", f"{sys.executable} -m tests.tui.staged_dashboard", "Enter")
        try:
            yield run
        finally:
            run("kill-server")


def until(tmux: Tmux, *parts: str) -> str:
    """The pane, once it has all ``parts``."""
    deadline = time.monotonic() + patient(WAIT_S)
    while True:
        text = tmux("capture-pane", "-p", "-t", "a")
        if all(part in text for part in parts):
            return text
        assert time.monotonic() < deadline, f"{parts} not in:\n{text}"
        time.sleep(0.1)


def test_80_columns_and_16_colours_tell_what_is_wrong(tmux: Tmux) -> None:
    text = until(tmux, "✖ service-failed", "✖ forwarding-off", "[f] fix", "q leave")
    lines = text.splitlines()
    assert "▲ degraded" in lines[0] and "2 problems" in lines[0]
    assert all(len(line) <= 80 for line in lines)
    coloured = tmux("capture-pane", "-p", "-e", "-t", "a")
    codes = {
        code for found in re.findall(r"\x1b\[([0-9;]*)m", coloured) for code in found.split(";")
    }
    assert not {"38", "48"} & codes  # of 256 colours, or more
    assert {"31", "32", "90"} <= codes  # what is wrong, what is well, borders
    assert re.search(r"\x1b\[31m✖", coloured)
    tmux("send-keys", "-t", "a", "F")
    until(tmux, "▸ [x] ✖ forwarding-off", "y runs 1 command on mini3")
    tmux("send-keys", "-t", "a", "Escape", "q")


def test_ctrl_z_leaves_to_the_shell_and_fg_draws_all_of_it_again(tmux: Tmux) -> None:
    until(tmux, "✖ service-failed", "─ Nodes", "q leave")
    tmux("send-keys", "-t", "a", "C-z")
    until(tmux, "Stopped")
    tmux("send-keys", "-t", "a", "echo $((40+2)) from the shell", "Enter")
    until(tmux, "42 from the shell")
    tmux("send-keys", "-t", "a", "fg", "Enter")
    until(tmux, "▲ degraded", "─ Nodes", "✖ service-failed", "q leave")
    tmux("send-keys", "-t", "a", "q")
    until(tmux, "42 from the shell")


def test_in_a_locale_without_utf_8_all_is_ascii(tmux: Tmux) -> None:
    program = f"exec env TERM=screen LC_ALL=C {sys.executable} -m tests.tui.staged_dashboard"
    tmux("respawn-pane", "-k", "-t", "a", program)
    text = until(tmux, "! degraded", "+- Nodes", "x service-failed", "[f] fix", "q leave")
    assert text.isascii()
    tmux("send-keys", "-t", "a", "T")
    text = until(tmux, "+- Training", "x worker@pi4")
    assert text.isascii()
    tmux("send-keys", "-t", "a", "q", "q")
