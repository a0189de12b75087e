"""`fleetctl history`, from a file that another process wrote: tables, JSON, CSV, a picture."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fleetctl.cli import run
from fleetctl.history.store import Store
from fleetctl.model.events import Event
from fleetctl.model.samples import INSTANCE_STATES, Sample, Series, SeriesKind

NODES_YAML = """\
fleet: house
nodes:
  mini1: {connection: local}
  pi4: {}
  pi5: {}
jobs:
  train: {services: {worker: {on: [pi4], command: work}}}
"""
HOUR_S = 3600


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without history, which is the present folder, too."""
    (tmp_path / "nodes.yaml").write_text(NODES_YAML)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def home(empty: Path) -> Path:
    """Three hours of history, but for one in their middle."""
    now_s = time.time()
    store = Store("house")
    for minute in range(180):
        if 60 <= minute < 120:
            continue
        begin_s = now_s - 3 * HOUR_S + 60 * minute
        state = "failed" if minute >= 150 else "ready"
        values: list[tuple[SeriesKind, str, str, float]] = [
            ("link", "mini1:pi4/fabric", "rtt_ms", 0.4 + 0.2 * math.sin(minute / 10)),
            ("link", "pi4:mini1/fabric", "rtt_ms", 0.5),
            ("node", "mini1", "load1", 1.25),
            ("node", "pi4", "load1", 0.5 if minute else 7.5),
            ("node", "pi4", "disk_free_bytes", 40e9),
            ("instance", "train/worker@pi4", "state", INSTANCE_STATES.index(state)),
            ("job", "train", "step", minute),
        ]
        samples = [Sample(Series(*named), value) for *named, value in values]  # type: ignore[arg-type]
        store.add(begin_s, samples, watched_from_s=now_s - (3 if minute < 60 else 1) * HOUR_S)
    now = datetime.now(UTC)
    began, over = now - timedelta(hours=2, minutes=30), now - timedelta(hours=2, minutes=10)
    store.add_events(
        [
            Event(began, "error", "x", "problem", "pi4", "pi4", code="ssh-timeout", until=over),
            Event(over, "ok", "pi4: ssh-timeout is over", "problem", "pi4", "pi4"),
            Event(over, "warning", "x", "problem", "mini1", "mini1", code="disk-low"),
            Event(over, "failed", "x", "instance", "worker@pi4", "pi4", "train", "service-failed"),
            Event(over, "ready", "x", "instance", "worker@pi5", "pi5", "train", "straggler"),
        ]
    )
    store.close()
    return empty


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What it prints, on stderr where it fails."""
    assert run(["history", *arguments]) == code
    told = capsys.readouterr()
    return told.err if code else told.out


def row(text: str, name: str) -> str:
    (found,) = (line for line in text.splitlines() if line.startswith(name))
    return found


def test_a_table_with_a_gap_and_figures(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "--since", "3h")
    assert [line for line in told.splitlines() if len(line) > 80] == []
    link = row(told, "mini1:pi4/fabric")
    assert link.split()[-4:][0] == "0.2"
    bars = link.removeprefix("mini1:pi4/fabric").strip()
    assert "     " in bars
    assert bars.partition("     ")[0].strip("▁▂▃▄▅▆▇█") == ""
    assert row(told, "pi4 ").split()[-4:] == ["0.5", "0.5", "0.5", "7.5"]
    assert "for 1h0" in row(told, "nobody watched")
    assert "goes on" in row(told, "▲ disk-low")
    assert "worker@pi4" in row(told, "✖ service-failed")
    assert "straggler" not in told
    assert "20m00s" in row(told, "✖ ssh-timeout")
    state = row(told, "train/worker@pi4")
    assert "✖✖✖" in state
    assert state.split()[-3:] == ["failed", "75", "%"]
    assert "step" not in told.partition("--metric")[0]


def test_targets_and_metrics(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def shown(*arguments: str) -> set[tuple[str, str]]:
        found = json.loads(said(capsys, "--json", "--since", "3h", *arguments))
        return {(one["subject"], one["metric"]) for one in found["series"]}

    link, worker = "mini1:pi4/fabric", "train/worker@pi4"
    assert shown("mini1:pi4/fabric") == shown("mini1:pi4") == {(link, "rtt_ms")}
    assert shown("mini1") == {(link, "rtt_ms"), ("mini1", "load1")}
    assert shown("worker") == shown("worker@pi4") == {(worker, "state")}
    assert shown("train") == {(worker, "state"), ("train", "step")}
    assert shown("pi*", "--metric", "disk") == {("pi4", "disk_free_bytes")}
    assert shown("--metric", "rtt", "--metric", "step") == {
        (link, "rtt_ms"),
        ("pi4:mini1/fabric", "rtt_ms"),
        ("train", "step"),
    }


def test_the_json_has_gaps_and_problems(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "mini1:pi4", "pi4", "--since", "3h", "--step", "1m", "--json"))
    assert found["schema"] == "fleetctl.history/1"
    assert [p["code"] for p in found["problems"]] == ["ssh-timeout", "service-failed"]
    assert len(found["watched"]) == 2
    points = next(s["points"] for s in found["series"] if s["metric"] == "rtt_ms")
    assert len(points) in (119, 120, 121)
    times = [datetime.fromisoformat(p["at"]) for p in points]
    assert max(b - a for a, b in pairwise(times)) > timedelta(minutes=59)
    assert {p["length_s"] for p in points} == {60}
    assert points[0]["low"] == points[0]["high"]
    assert len(str(points[5]["mean"])) <= 9


def test_csv(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "pi4", "--metric", "disk_free", "--since", "3h", "--csv")
    rows = list(csv.DictReader(io.StringIO(told)))
    assert list(rows[0])[:5] == ["at", "length_s", "kind", "subject", "metric"]
    assert list(rows[0])[5:] == ["count", "low", "mean", "high"]
    assert {r["mean"] for r in rows} == {"40000000000"}


def test_a_picture_without_anything_from_elsewhere(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "--since", "3h", "--svg", "out.svg") == ""
    text = (home / "out.svg").read_text("utf-8")
    tree = ElementTree.fromstring(text)
    assert "prefers-color-scheme: dark" in text
    assert "href" not in text
    assert "url(" not in text
    kinds = [e.tag.rpartition("}")[2] for e in tree.iter()]
    assert kinds.count("polyline") == 2 * 5  # each row has a gap
    assert said(capsys, "--since", "3h", "--svg", "out.svg") == ""  # it is replaced
    assert "no folder" in said(capsys, "--svg", "missing/out.svg", code=2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pi6"], "Did you mean 'pi4'?"),
        (["--metric", "heat"], "There are: rtt, jitter, loss"),
        (["--since", "soon"], "neither an age such as"),
        (["--since", "2026-13-01"], "neither an age such as"),
        (["--since", "99999999d"], "neither an age such as"),
        (["--since", "1h", "--until", "2h"], "not before the end"),
        (["--since", "2999-01-01T00:00"], "not before the end"),
        (["--json", "--svg", "x.svg"], "two forms"),
    ],
)
def test_wrong_calls(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert says in " ".join(said(capsys, *arguments, code=2).split())


def test_nothing_to_tell(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no history of pi5 yet" in said(capsys, "pi5", code=1)
    old = said(capsys, "--since", "2020-01-01", "--until", "2020-01-02")
    assert "nothing was measured" in old


def test_without_history_it_says_how_that_comes(
    empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(capsys, code=1)
    assert "no history of house on this machine yet" in told
    assert "fleetctl serve" in told
    assert not (empty / ".local").exists()


def test_a_file_that_is_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = home.glob(".local/state/fleetctl/house/history.sqlite3")
    file.write_text("no database " * 100)
    assert "cannot be read" in said(capsys, code=1)
