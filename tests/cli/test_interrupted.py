"""Ctrl-C and other signals, whichever exception they raise."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fleetctl import cli


@pytest.mark.parametrize("kind", [KeyboardInterrupt, click.Abort, asyncio.CancelledError])
def test_it_is_one_word_and_130(
    kind: type[BaseException], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise kind

    monkeypatch.setattr(cli.command, "main", interrupted)
    assert cli.run(["status"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_bug_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a file to attach; the user reads a sentence."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("s3cret")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cli.command, "main", broken)
    assert cli.run(["status"]) == 1
    said = capsys.readouterr().err
    assert "this is a mistake in fleetctl (ZeroDivisionError in " in said
    assert len(said.splitlines()) == 1
    (file,) = tmp_path.glob(".local/state/fleetctl/.mistakes/*.txt")
    assert str(file) in said
    assert file.stat().st_mode & 0o777 == 0o600
    assert "ZeroDivisionError" in file.read_text()
    assert f'File "{__file__}"' in file.read_text()
    monkeypatch.setenv("HOME", "/dev/null")
    assert cli.run(["status"]) == 1
    assert "Please report it, with what was done before" in capsys.readouterr().err


_ENDED_BY_A_SIGNAL = """
import sys
from fleetctl import __main__, cli

def ended(*_, **__):
    sys.stdout.write("nobody reads this")
    raise SystemExit(129)

cli.command.main = ended
__main__.main()
"""


def test_the_exit_code_of_a_signal_stays_when_the_terminal_is_gone() -> None:
    """Python itself would exit with 120, as it cannot flush its output."""
    reader, writer = os.pipe()
    os.close(reader)
    env = {**os.environ, "PYTHONUNBUFFERED": ""}
    argv = [sys.executable, "-c", _ENDED_BY_A_SIGNAL]
    done = subprocess.run(argv, stdout=writer, env=env, timeout=20, check=False)
    os.close(writer)
    assert done.returncode == 129
