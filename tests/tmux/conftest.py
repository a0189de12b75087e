"""Fixtures of the tmux tests: a tmux server of each test's own, under a folder of its own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetctl.model.layout import TMUX_SOCKET


@pytest.fixture
def own_tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a socket that lives in this test's own folder, as HOME does.

    The folder stands directly under /tmp, since a socket's path may not be long.
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
