"""Ctrl-C, whatever exception it comes out as."""

from __future__ import annotations

import asyncio

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
