"""What is kept of what a server sees, where that cannot be done, and where another does it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetctl.errors import LinkError
from fleetctl.health.assess import assess
from fleetctl.history.store import Store
from fleetctl.history.writer_lock import WriterLock
from fleetctl.model.expectations import derive
from fleetctl.model.facts import NodeFacts
from fleetctl.model.look import Look
from fleetctl.model.topology import SSH, Fleet, Node
from fleetctl.serve import observing
from fleetctl.serve.observing import Keeping, line
from fleetctl.service import Snapshot

FLEET = Fleet("home", {}, {"pi4": Node("pi4", SSH("pi4"))}, internet=None)
HEARD = Look(
    facts=NodeFacts(
        measured_at=datetime.now(UTC),
        system=None,
        tmux_version=None,
        panes=None,
        records={},
        log_bytes={},
        listeners=None,
        runs=None,
    )
)
LOST = Look(error=LinkError("pi4", "it is off"))


def snapshot(look: Look) -> Snapshot:
    checked = assess(FLEET, None, derive(FLEET, None), {"pi4": look}, duration_s=0.0)
    return Snapshot(checked, {})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def taken(keeping: Keeping, *looks: Look) -> list[str]:
    """The lines of what is new in each of these looks."""
    return [line(event) for look in looks for event in asyncio.run(keeping.take(snapshot(look)))]


def test_what_is_new_is_told_and_kept() -> None:
    said: list[str] = []
    keeping = Keeping("home", said.append)
    lines = taken(keeping, HEARD, LOST, LOST)
    assert any("pi4 cannot be reached: it is off" in one for one in lines)
    assert len(lines) == len(set(lines))
    keeping.close()
    assert said == []
    store = Store("home")
    kept = store.events(datetime(2000, 1, 1, tzinfo=UTC))
    store.close()
    assert any(event.subject == "pi4" for event in kept)


def test_a_history_that_cannot_be_written_is_said_once_and_nothing_is_lost_of_the_lines(
    home: Path,
) -> None:
    (home / ".local/state/fleetctl/home/history.sqlite3").mkdir(parents=True)
    said: list[str] = []
    keeping = Keeping("home", said.append)
    lines = taken(keeping, HEARD, LOST, LOST)
    assert any("pi4 cannot be reached" in one for one in lines)
    assert len(said) == 1
    assert "the history in" in said[0]
    assert said[0].endswith("tried again in 5 s")
    keeping.close()


def test_another_that_keeps_the_history_is_left_to_it_until_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(observing, "FIRST_PAUSE_S", 0.0)
    said: list[str] = []
    keeping = Keeping("home", said.append)
    other = WriterLock("home")
    assert other.take()
    assert any("pi4 cannot" in one for one in taken(keeping, HEARD, LOST, LOST))
    assert said == [f"process {other.holder} keeps the history until it ends"]
    other.release()
    taken(keeping, LOST)
    assert not other.take()
    keeping.close()
    assert other.take()
    other.release()
