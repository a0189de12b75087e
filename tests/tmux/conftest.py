"""Fixtures of the tmux tests: each has its own tmux server and folder."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetctl.model.layout import TMUX_SOCKET


@pytest.fixture
def own_tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a tmux socket in the test's own folder, where HOME is too.

    The folder is directly under /tmp, since a socket's path must be short.
    """
    home = tmp_path / "home"
    home.mkdir()
    with tempfile.TemporaryDirectory(prefix="fleetctl-tmux-", dir="/tmp") as folder:
        monkeypatch.setenv("TMUX_TMPDIR", folder)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.delenv("TMUX", raising=False)
        monkeypatch.delenv("TMUX_PANE", raising=False)
        yield TMUX_SOCKET
        subprocess.run(["tmux", "-L", TMUX_SOCKET, "kill-server"], capture_output=True, check=False)
