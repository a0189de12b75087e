"""What is kept of former runs."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.bench import history
from fleetctl.bench.history import History, shrunk
from fleetctl.model.bench import Best, Port
from tests.bench.fleets import EDGE, LONG, MAY, NOW, measured


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_best_of_each_path_is_found_again() -> None:
    kept = History("guide")
    assert kept.best == {}
    kept.add(measured(EDGE, 941, 700, median_ms=0.9, at=MAY))
    kept.add(measured(EDGE, 94, 940, median_ms=0.3, at=NOW))
    kept.add(measured(LONG, None, None, at=NOW))
    again = History("guide")
    assert again.notes == []
    assert again.best == {
        EDGE.key: Best(0.3, NOW, 941, MAY, 940, NOW),
        LONG.key: Best(0.4, NOW),
    }


def test_the_last_transfer_of_a_path_is_what_is_shown_with_its_ports() -> None:
    kept = History("guide")
    ports = (Port("pi4", "edge51", "eth0", 100.0),)
    kept.add(replace(measured(EDGE, 94, 93, at=MAY), ports=ports))
    kept.add(measured(EDGE, None, None, at=NOW))
    kept.add(measured(LONG, None, None, at=NOW))
    newest = History("guide").newest
    assert (newest[EDGE.key].there.mbit_s, newest[EDGE.key].ports) == (94, ports)
    assert newest[LONG.key].at == NOW


def test_only_the_owner_reads_it() -> None:
    kept = History("guide")
    kept.add(measured())
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [b"{", b"\xff\xfe\n", b'{"path": 3}\n', b"[]\n", b"\n\n"])
def test_damaged_lines_are_left_out_and_told(damage: bytes) -> None:
    kept = History("guide")
    kept.add(measured(at=MAY))
    with kept.path.open("ab") as file:
        file.write(damage)
    History("guide").add(measured(at=NOW))  # not onto a line that has no end
    again = History("guide")
    assert len(again._lines) == 2
    told = [f"1 line of {kept.path} cannot be read and do not count"] if damage.strip() else []
    assert again.notes == told


def test_a_file_that_cannot_be_written_is_a_note(home: Path) -> None:
    (home / ".local").write_text("")
    kept = History("guide")
    kept.add(measured())
    kept.add(measured())
    assert len(kept.notes) == 2
    assert "cannot be read" in kept.notes[0]
    assert "cannot be kept" in kept.notes[1]


def test_the_oldest_go_but_not_the_best() -> None:
    times = [MAY + timedelta(hours=n) for n in range(history.KEPT_LINES + 100)]
    lines = [measured(EDGE, 900 if n == 3 else 800, 800, at=at) for n, at in enumerate(times)]
    left = shrunk(lines)
    assert [line.at for line in left[:2]] == [times[0], times[3]]
    assert left[2:] == lines[-history.KEPT_LINES :]


def test_the_file_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_BYTES", 4000)
    monkeypatch.setattr(history, "KEPT_LINES", 3)
    kept = History("guide")
    for n in range(20):
        kept.add(measured(at=MAY + timedelta(hours=n)))
        assert kept.path.stat().st_size < 6000
    assert len(History("guide")._lines) < 12
    assert [file.name for file in kept.path.parent.iterdir()] == ["bench.jsonl"]
