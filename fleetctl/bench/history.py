"""The figures of former runs on the controller, a line of JSON for each path of each run.

``~/.local/state/fleetctl/FLEET/bench.jsonl``, readable by its owner only. A line is added by one
write, so that two runs at a time do not mix. Where the file grows beyond :data:`MOST_BYTES` the
oldest lines go, but for those that hold the best of their path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from fleetctl.local_files import append_lines, private_folder, read_bounded, write_private
from fleetctl.model.bench import Best, Measured
from fleetctl.model.layout import bench_history

MOST_BYTES = 1024 * 1024
KEPT_LINES = 500
"""The newest ones, which stay when the oldest go."""
_READ_BYTES = 16 * MOST_BYTES

Key = tuple[str, str, str]


class History:
    """The file of one fleet, read when it is made.

    :param fleet: its name.
    """

    def __init__(self, fleet: str) -> None:
        self.path = Path(bench_history(fleet)).expanduser()
        self.notes: list[str] = []
        """What could not be read or written, each a sentence."""
        self._lines = self._read()

    @property
    def best(self) -> Mapping[Key, Best]:
        """By path: the best so far."""
        found: dict[Key, Best] = {}
        for line in self._lines:
            found[line.path.key] = better(found.get(line.path.key, Best()), line)
        return found

    @property
    def newest(self) -> Mapping[Key, Measured]:
        """By path: the last measurement with a transfer, else the last one."""
        found: dict[Key, Measured] = {}
        for line in self._lines:
            before = found.get(line.path.key)
            if before is None or _transferred(line) or not _transferred(before):
                found[line.path.key] = line
        return found

    def add(self, measured: Measured) -> None:
        """Keep ``measured``; what cannot be written is a note."""
        self._lines.append(measured)
        try:
            private_folder(self.path.parent)
            line = msgspec.json.encode(measured) + b"\n"
            if append_lines(self.path, line, follow=False) > MOST_BYTES:
                self._shrink()
        except OSError as error:
            why = f"the figures cannot be kept in {self.path}: {error.strerror or error}"
            if why not in self.notes:
                self.notes.append(why)

    def _read(self) -> list[Measured]:
        try:
            text = read_bounded(self.path, _READ_BYTES)
        except FileNotFoundError:
            return []
        except OSError as error:
            why = error.strerror or error
            self.notes.append(f"former figures in {self.path} cannot be read: {why}")
            return []
        found: list[Measured] = []
        damaged = 0
        for line in text.splitlines():
            if line.strip():
                try:
                    found.append(msgspec.json.decode(line, type=Measured))
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    damaged += 1
        if damaged:
            lines = "1 line" if damaged == 1 else f"{damaged} lines"
            self.notes.append(f"{lines} of {self.path} cannot be read and do not count")
        return found

    def _shrink(self) -> None:
        self._lines = shrunk(self._read())
        encoded = (msgspec.json.encode(line) + b"\n" for line in self._lines)
        write_private(self.path, b"".join(encoded))


def _transferred(line: Measured) -> bool:
    return line.there.mbit_s is not None or line.back.mbit_s is not None


def better(best: Best, line: Measured) -> Best:
    """``best`` with what is better in ``line``."""
    changes: dict[str, object] = {}
    rtt_ms, there, back = line.echoes.median_ms, line.there.mbit_s, line.back.mbit_s
    if rtt_ms is not None and (best.rtt_ms is None or rtt_ms < best.rtt_ms):
        changes |= {"rtt_ms": rtt_ms, "rtt_at": line.at}
    if there is not None and there > (best.there_mbit_s or 0.0):
        changes |= {"there_mbit_s": there, "there_at": line.at}
    if back is not None and back > (best.back_mbit_s or 0.0):
        changes |= {"back_mbit_s": back, "back_at": line.at}
    return msgspec.structs.replace(best, **changes)


def shrunk(lines: Iterable[Measured]) -> list[Measured]:
    """The newest of ``lines``, and those older ones that hold a best figure of their path."""
    every = list(lines)
    best: dict[Key, Best] = {}
    for line in every:
        best[line.path.key] = better(best.get(line.path.key, Best()), line)
    old, new = every[:-KEPT_LINES], every[-KEPT_LINES:]
    return [line for line in old if _holds(best[line.path.key], line)] + new


def _holds(best: Best, line: Measured) -> bool:
    return line.at in (best.rtt_at, best.there_at, best.back_at)
