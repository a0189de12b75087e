"""The clipboard, by the first program that takes it; and the screen as plain text."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleetctl.tui import clipboard
from tests.tui.stage import Screen, played

DESK = {"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0", "TMUX": "/tmp/tmux-1/default,1,0"}


@pytest.mark.parametrize(
    ("environ", "programs"),
    [
        ({}, ["pbcopy"]),
        (DESK, ["pbcopy", "wl-copy", "xclip", "tmux"]),
        ({"SSH_CONNECTION": "1 2 3 4"}, []),
        ({"SSH_CONNECTION": "1 2 3 4", "DISPLAY": "localhost:10.0"}, ["xclip"]),
    ],
)
def test_which_programs_may_copy(environ: dict[str, str], programs: list[str]) -> None:
    assert [argv[0] for argv in clipboard.ways(environ)] == programs


def program(folder: Path, name: str, does: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{does}\n")
    file.chmod(0o755)


def test_the_first_that_takes_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "pbcopy", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setattr(clipboard, "WAIT_S", 8.0)
    program(tmp_path, "wl-copy", f"exec cat >{tmp_path}/got")
    assert asyncio.run(clipboard.copy("two\nlines é")) == "wl-copy"
    assert (tmp_path / "got").read_text("utf-8") == "two\nlines é"
    program(tmp_path, "wl-copy", "exec sleep 60")
    monkeypatch.setattr(clipboard, "WAIT_S", 0.2)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("TMUX", raising=False)
    assert asyncio.run(clipboard.copy("x")) == ""


def test_copied_lines_say_by_what_and_the_screen_is_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(clipboard, "ways", lambda environ: iter(()))

    async def act(screen: Screen) -> None:
        screen.stage.write("server@mini1", "step 1 loss 5.0")
        await screen.until("step 1 loss 5.0")
        await screen.type("l", "y")
        await screen.until("copied by the terminal (OSC 52)")
        await screen.type("D")
        async with asyncio.timeout(8):
            while not any("lines of the screen" in n.message for n in screen.app._notifications):
                await screen.pilot.pause()

    played(act, (120, 40))
    [file] = tmp_path.glob("fleet-screen-*.txt")
    text = file.read_text("utf-8")
    lines = text.splitlines()
    place = lines.index("Nodes:")
    assert lines[place + 2].startswith("●, ●, mini1, server ● ready")
    assert lines[lines.index("Problems:") + 1] == "● nothing is wrong"
    assert any(line.startswith("Logs · server@mini1") for line in lines)
    assert not set(text) & set("│─╭╮╰╯━")
