"""Saving lines of logs to a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path

from fleetctl.logs.buffer import Chunk
from fleetctl.logs.matching import whole_texts


def lines_of(
    parts: Iterable[tuple[Chunk, Sequence[int]]], names: Sequence[str], *, times: bool
) -> Iterator[str]:
    """The lines of :meth:`fleetctl.logs.view.LogView.everything` in full and without colours, with
    the instance's name where there are several."""
    wide = max(map(len, names), default=0) if len(names) > 1 else 0
    for chunk, rows in parts:
        head = f"{chunk.instance:{wide}} | " if wide else ""
        if times:
            head += f"{_moment(chunk.written)}  "
        if chunk.mark:
            yield f"{head}── {chunk.mark} ──\n"
            continue
        texts = whole_texts(chunk).split("\n")
        for row in rows:
            yield f"{head}{texts[row]}\n"


def save(lines: Iterable[str], folder: Path, label: str, ending: str = ".log") -> tuple[Path, int]:
    """Write a new file, named by ``label`` and the time; never overwrites one.

    :returns: its path, and how many lines it has.
    :raises OSError: it cannot be written.
    """
    now = datetime.now().astimezone()
    stem = f"fleet-{label.replace('/', '_')}-{now:%Y%m%d-%H%M%S}"
    for number in count(1):
        path = folder / (f"{stem}{ending}" if number == 1 else f"{stem}-{number}{ending}")
        try:
            file = path.open("x", encoding="utf-8", newline="\n")
        except FileExistsError:
            continue
        written = 0
        with file:
            for line in lines:
                file.write(line)
                written += 1
        return path, written
    raise AssertionError("unreachable")


def _moment(epoch_s: float | None) -> str:
    """Local time; question marks of the same width when it is not known."""
    if epoch_s is None:
        return "????-??-?? ??:??:??"
    return datetime.fromtimestamp(epoch_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")
