"""Which keys detach inside a tmux of the user's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetctl.tmux.outer import DETACH, DETACH_NESTED, detach_keys

Environ = dict[str, str]


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Environ]:
    """The environment inside a tmux of the user's own."""
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    argv = ["tmux", "-S", str(tmp_path / "outer"), "-f", os.devnull]
    subprocess.run([*argv, "new-session", "-d", "sleep 600"], check=True)
    told = subprocess.run(
        [*argv, "display-message", "-p", "#{socket_path},#{pid},0"],
        check=True,
        capture_output=True,
        text=True,
    )
    yield {**os.environ, "TMUX": told.stdout.strip()}
    subprocess.run([*argv, "kill-server"], check=True)


def test_tmux_with_its_own_prefix_sends_a_second_one_on(around: Environ) -> None:
    assert detach_keys(around) == DETACH_NESTED


def test_tmux_with_another_prefix_leaves_ours_alone(around: Environ) -> None:
    subprocess.run(["tmux", "set-option", "-g", "prefix", "C-a"], env=around, check=True)
    assert detach_keys(around) == DETACH
    subprocess.run(["tmux", "set-option", "-g", "prefix2", "C-b"], env=around, check=True)
    assert detach_keys(around) == DETACH_NESTED


def test_a_tmux_that_does_not_answer_is_taken_for_one_with_the_usual_prefix(tmp_path: Path) -> None:
    assert detach_keys({**os.environ, "TMUX": f"{tmp_path}/gone,1,0"}) == DETACH_NESTED


def test_a_tmux_on_another_machine_may_be_around_this_one() -> None:
    assert detach_keys({"TERM": "xterm-256color"}) == DETACH
    assert DETACH_NESTED in detach_keys({"TERM": "tmux-256color"})
