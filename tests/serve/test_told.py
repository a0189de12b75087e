"""What `fleetctl serve` prints of the fleet."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from fleetctl.model.events import Event
from fleetctl.serve import observing
from fleetctl.serve.observing import Observing, line


class Kept:
    """In place of what keeps a watch's history: it only hands on."""

    def __init__(self, _service: object, heard: Any, *_: object) -> None:
        self.heard = heard


def test_what_is_told_with_another_event_has_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Kept] = []

    def keeping(*given: Any) -> Kept:
        kept.append(Kept(*given))
        return kept[-1]

    monkeypatch.setattr(observing, "Keeping", keeping)
    monkeypatch.setattr(observing, "Newest", lambda *_: None)
    service: Any = SimpleNamespace(fleet=SimpleNamespace(nodes={}), watch=lambda *_, **__: None)
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    action = Event(at, "ok", "start of job: 1 of 1 ready", "action", "job", key="action 1")
    part = Event(at, "starting", "worker@a was started", "instance", "worker@a", part_of=action.key)
    said: list[str] = []
    Observing(service, (), 1.0, said.append)
    kept[0].heard([action, part])
    assert said == [line(action)]
