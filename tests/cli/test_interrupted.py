"""Ctrl-C and other signals, whichever exception they raise."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

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


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli.command, "main", broken)
    with pytest.raises(ZeroDivisionError):
        cli.run(["status"])


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
