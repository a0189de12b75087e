"""What controllers note on a node, by the real shell: bounded, private, read as it was meant."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.cli import COMMANDS
from fleetctl.cli.event_lines import concerns
from fleetctl.model.actions import (
    Ending,
    Note,
    Told,
    action_key,
    events_of,
    joined,
    read_note,
)
from fleetctl.model.events import Actor, Event
from fleetctl.noting.actor import typed
from fleetctl.noting.scripts import (
    HALF_BYTES,
    note_script,
    noted_first,
    read_notes,
    read_script,
)

ANN = Actor("ann", "laptop", "fleetctl start 'it''s'")
NOW = datetime.now(UTC)
BEGUN = Note("a1", NOW, "start", ANN, "job", ("w@here",))
ENDED = replace(BEGUN, end=Ending(NOW + timedelta(seconds=3), "ok", "1 of 1 ready"))


def sh(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    return subprocess.run(
        ["sh"],
        input=script,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def noted(home: Path, size: str = "") -> Told:
    done = sh(home, read_script("f", size))
    assert done.returncode == 0, done.stderr
    return read_notes(done.stdout, size, datetime.now(UTC).timestamp())


def file(home: Path) -> Path:
    return home / ".local/state/fleetctl/f/.actions"


def test_a_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert noted(tmp_path) == Told(size="none")
    for note in (BEGUN, ENDED):
        assert sh(tmp_path, note_script("f", note)).stderr == ""
    found = noted(tmp_path)
    assert [replace(n, at=NOW, end=n.end and ENDED.end) for n in found.notes] == [BEGUN, ENDED]
    assert noted(tmp_path, found.size) == Told(size=found.size, same=True)
    assert file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_the_newest_half_is_kept(tmp_path: Path) -> None:
    assert sh(tmp_path, note_script("f", BEGUN)).returncode == 0
    with file(tmp_path).open("a") as out:
        out.write("x" * HALF_BYTES + "torn")
    for number in range(2):
        assert sh(tmp_path, note_script("f", replace(ENDED, id=f"b{number}"))).returncode == 0
    assert [note.id for note in noted(tmp_path).notes][-2:] == ["b0", "b1"]
    assert file(tmp_path).stat().st_size < 1000
    older = file(tmp_path).with_name(".actions.1")
    assert older.stat().st_size > HALF_BYTES
    assert sorted(p.name for p in file(tmp_path).parent.iterdir()) == [".actions", ".actions.1"]


def test_many_at_once_do_not_mix(tmp_path: Path) -> None:
    script = "".join(f"(\n{note_script('f', replace(BEGUN, id=f'c{n}'))}) &\n" for n in range(12))
    assert sh(tmp_path, f"{script}wait\n").stderr == ""
    assert sorted(n.id for n in noted(tmp_path).notes) == sorted(f"c{n}" for n in range(12))


@pytest.mark.parametrize("what", ["link", "fifo", "folder", "open to all"])
def test_nothing_is_written_where_others_could_read_or_lead_it(tmp_path: Path, what: str) -> None:
    path = file(tmp_path)
    path.parent.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    if what == "link":
        path.symlink_to(elsewhere)
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.parent.chmod(0o777)
    done = sh(tmp_path, note_script("f", BEGUN))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert elsewhere.read_text() == "mine"
    assert sh(tmp_path, noted_first("f", BEGUN, "echo said; cat\n")).stdout == "said\n"


@pytest.mark.parametrize(
    "line",
    [
        *(
            "",
            "{",
            "[]",
            '{"id": 1}',
            '{"id":"a","at":"2026-01-01T00:00:00Z","action":"x"}',
            "\x00",
        ),
        '{"x":' + "[" * 100_000,
    ],
    ids=range(7),
)
def test_what_is_no_note_is_left_out(line: str) -> None:
    assert read_note(line, 0.0) is None


@pytest.mark.parametrize("now", ["", "soon", "²", "9" * 400, "9" * 5000, "-1"])
def test_a_node_that_tells_no_time_is_that_node_s_trouble(now: str) -> None:
    assert read_notes(f"{now}\n:10\n{{}}\n", "", 0.0).error == "its answer was cut off"


def test_times_are_by_the_reader_s_clock(tmp_path: Path) -> None:
    """The other controller's clock is an hour ahead."""
    ahead = replace(
        ENDED,
        at=NOW + timedelta(hours=1),
        end=replace(ENDED.end or Ending(NOW, ""), at=NOW + timedelta(hours=1, seconds=3)),
    )
    assert sh(tmp_path, note_script("f", ahead)).returncode == 0
    [line] = [one for one in file(tmp_path).read_text().splitlines() if one]
    note = read_note(line, 0.0)
    assert note
    assert note.end
    assert abs(note.end.at - datetime.now(UTC)) < timedelta(seconds=30)
    assert note.end.at - note.at == timedelta(seconds=3)


def test_an_action_is_one_event_whichever_nodes_tell_of_it() -> None:
    there = replace(BEGUN, instances=("w@there",))
    [whole] = events_of({"here": (BEGUN, ENDED), "there": (there,)}, NOW)
    assert (whole.key, whole.state, whole.job) == (action_key("a1"), "ok", "job")
    assert whole.text == "start of job, 2 instances: 1 of 1 ready"
    assert whole.until
    [part] = events_of({"there": (there,)}, NOW)
    assert joined(whole, part).until == whole.until
    assert set(joined(part, whole).affects) == {"here", "there", "w@here", "w@there"}
    [lost] = events_of({"here": (BEGUN,)}, NOW + timedelta(hours=2))
    assert lost.state == "unknown"


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["-f", "start", "stop", "pi4"], "fleetctl -f start stop pi4"),
        ([], "fleetctl (dashboard)"),
        (["send", "worker", "my word"], "fleetctl send (with a text)"),
        (["exec", "pi4", "--", "uptime"], "fleetctl exec pi4 -- uptime"),
        (["exec", "pi4", "--", "HF_TOKEN='a b' x"], "fleetctl exec pi4 -- (hidden)"),
        (["exec", "pi4", "--", "x", "--password", "a"], "fleetctl exec pi4 -- (hidden)"),
        (["start", "--", "--token", "abc"], "fleetctl start -- --token (hidden)"),
        (["start", "--", "API_KEY=a b"], "fleetctl start -- API_KEY=(hidden)"),
        (["start", "--", "--api-key=a b c"], "fleetctl start -- --api-key=(hidden)"),
    ],
)
def test_no_secret_is_noted(arguments: list[str], kept: str) -> None:
    assert typed(arguments, COMMANDS) == kept


@pytest.mark.parametrize("by_s", [-600, 600])
def test_one_node_whose_clock_was_set_since_does_not_tell_the_time(by_s: int) -> None:
    off = timedelta(seconds=by_s)
    assert ENDED.end
    wrong = (
        replace(BEGUN, at=BEGUN.at + off),
        replace(ENDED, at=ENDED.at + off, end=replace(ENDED.end, at=ENDED.end.at + off)),
    )
    [one] = events_of({"a": wrong, "b": (BEGUN, ENDED), "c": (BEGUN, ENDED)}, NOW)
    assert (one.at, one.until) == (BEGUN.at, ENDED.end.at)


def test_an_event_concerns_what_it_names() -> None:
    event = Event(NOW, "ok", "", "action", "job", job="job", affects=("pi4", "worker@pi4"))
    assert all(concerns(event, [t]) for t in ("pi4", "worker", "worker@*", "job", "pi*"))
    assert not concerns(event, ["pi"])
    assert concerns(event, [])
