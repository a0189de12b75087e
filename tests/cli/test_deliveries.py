"""What is said of signals and texts, and what is refused before anything is sent."""

from __future__ import annotations

import io
import json
import sys
from typing import cast

import pytest
from click.testing import CliRunner

from fleetctl.cli import send, signal
from fleetctl.cli.context import Context
from fleetctl.cli.deliveries import tell
from fleetctl.errors import UsageError
from fleetctl.model.delivery import Delivery, Process

ARRIVED = Delivery(True, (Process(7, "python"),))
PARTLY = Delivery(False, (Process(7, "python"),), "it does not reach 8 (su)")
NOT = Delivery(False, reason="nothing of it runs")
BROKEN = Delivery(None, reason="it may have arrived or not: gone")


def test_each_instance_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell({"a": ARRIVED}, "USR1 sent", False, {}) == 0
    assert capsys.readouterr().out == "a: USR1 sent to 7 (python)\n"
    assert tell({"a": ARRIVED, "b": PARTLY, "c": NOT, "d": BROKEN}, "USR1 sent", False, {}) == 1
    assert capsys.readouterr().err == (
        "b: USR1 sent to 7 (python), but it does not reach 8 (su)\n"
        "c: nothing of it runs\n"
        "d: it may have arrived or not: gone\n"
    )
    assert tell({}, "typed", False, {}) == 1
    assert capsys.readouterr().err == "nothing of the job runs there\n"


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell({"d": BROKEN}, "typed", True, {"schema": "fleetctl.send/1"}) == 1
    assert json.loads(capsys.readouterr().out) == {
        "schema": "fleetctl.send/1",
        "ok": False,
        "instances": {"d": {"ok": None, "processes": [], "reason": BROKEN.reason}},
    }


def test_only_signals_that_stop_may_have_are_sent() -> None:
    assert [signal.named(name) for name in ("USR1", "SIGUSR1", "sigterm")] == [
        "USR1",
        "USR1",
        "TERM",
    ]
    with pytest.raises(UsageError, match="'STOP' is no signal that can be sent"):
        signal.named("STOP")
    for words in (["USR1"], []):
        assert CliRunner().invoke(signal.command, words, obj=None).exit_code == 2


def test_what_is_typed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="more than 65536 bytes"):
        send.command.main(["w", "x" * 65537], standalone_mode=False, obj=cast(Context, None))
    endless = io.TextIOWrapper(io.BytesIO(b"x" * 70_000))
    monkeypatch.setattr(sys, "stdin", endless)
    with pytest.raises(UsageError, match="more than 65536 bytes"):
        send.command.main(["w", "-"], standalone_mode=False, obj=cast(Context, None))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    with pytest.raises(UsageError, match="nothing to type"):
        send.command.main(["w", "-", "--no-enter"], standalone_mode=False, obj=None)
