"""Saving lines of logs to a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleetctl.logs.buffer import LogBuffer
from fleetctl.logs.events import LogBatch, LogNotice
from fleetctl.logs.matching import Filter, Pattern
from fleetctl.logs.view import LogView
from fleetctl.tui.logs.saving import lines_of, save

NAMES = ("a", "worker@b")


def filled() -> tuple[LogBuffer, LogView]:
    buffer = LogBuffer(NAMES)
    view = LogView(buffer)
    long = b"z" * 300_000
    view.update(
        buffer.take([
            LogBatch("a", 0, b"\x1b[31mred\x1b[0m\n10%\r100%\n", 50.0, None),
            LogNotice("a", "lost", 51.0),
            LogBatch("worker@b", 0, long + b"\n", 52.0, 52.0),
        ])
    )  # fmt: skip
    return buffer, view


def test_whole_lines_with_names_and_without_colours() -> None:
    _, view = filled()
    lines = list(lines_of(view.everything(), NAMES, times=False))
    assert lines == [
        "a        | red\n",
        "a        | 100%\n",
        "a        | ── lost ──\n",
        f"worker@b | {'z' * 300_000}\n",
    ]
    (line,) = list(lines_of(view.everything(), NAMES, times=True))[3:]
    assert re.match(r"worker@b \| 19\d\d-\d\d-\d\d \d\d:\d\d:\d\d  zzz", line)


def test_only_what_the_filter_keeps_as_it_was_when_it_was_asked() -> None:
    buffer, view = filled()
    view.choose(["a"])
    view.keep(Filter(Pattern("^red")))
    view.work(1)
    parts = view.everything()
    view.update(buffer.take([LogBatch("a", 99, b"red too\n", 60.0, 60.0)]))
    view.work(1)
    assert list(lines_of(parts, ["a"], times=False)) == ["red\n", "── lost ──\n"]


def test_a_file_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = [save([f"{i}\n"], tmp_path, "worker@pi4") for i in range(3)]
    assert [path.read_text() for path, _ in saved] == ["0\n", "1\n", "2\n"]
    assert [count for _, count in saved] == [1, 1, 1]
    for path, _ in saved:
        assert re.fullmatch(r"fleet-worker@pi4-\d{8}-\d{6}(-\d)?\.log", path.name)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        save(["x\n"], tmp_path / "missing", "all")
