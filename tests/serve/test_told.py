"""What `fleetctl serve` prints of the fleet."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from fleetctl.errors import ConfigError
from fleetctl.model.events import Event
from fleetctl.serve import observing, running
from fleetctl.serve.observing import Observing, line
from fleetctl.serve.running import Serving


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


def test_a_file_that_is_mended_is_told_as_its_mistake_was(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    now: Any = SimpleNamespace(path="nodes.yaml", content=b"as before")
    file: Any = SimpleNamespace(notes=lambda: ())

    def broken(_: object) -> object:
        raise ConfigError(["nodes.yaml:3:1: a mistake", "nodes.yaml:9:1: another"])

    serving = Serving(file, 1.0, said.append)
    monkeypatch.setattr(running, "_read", broken)
    assert serving._taken_up(now) is None
    monkeypatch.setattr(running, "_read", lambda _: now)
    assert serving._taken_up(now) is None
    assert serving._taken_up(now) is None
    assert said == [
        "nodes.yaml has changed and cannot be used, so the former goes on: "
        "nodes.yaml:3:1: a mistake",
        "nodes.yaml says again what is in use",
    ]
