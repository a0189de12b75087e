"""The real logger, fed by a test."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

LOGGER = str(files("fleetctl.launch").joinpath("logger.sh"))


class Logger:
    """logger.sh on a folder. ``setup`` is shell text that runs before it, in the same process."""

    def __init__(
        self,
        folder: Path,
        *,
        limit: int = 1 << 20,
        keep: int = 8,
        shell: str = "sh",
        wrapper: tuple[str, ...] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.process = subprocess.Popen(
            [*wrapper, shell, LOGGER, str(folder), str(limit), str(keep)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def finish(self) -> None:
        """End its input, and wait until it has written everything."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        assert self.process.wait(20) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


def segments(folder: Path) -> dict[int, bytes]:
    """Content by offset, in order."""
    return {
        int(p.stem): p.read_bytes() for p in sorted(folder.glob("*.log"), key=lambda p: int(p.stem))
    }


def assert_contiguous(found: dict[int, bytes]) -> None:
    """Each segment begins where the one before it ends."""
    offsets = list(found)
    for here, following in pairwise(offsets):
        assert here + len(found[here]) == following


def write_segments(folder: Path, parts: dict[int, bytes], index: dict[int, str]) -> None:
    """Write segments as a logger would."""
    folder.mkdir(parents=True, exist_ok=True)
    for offset, data in parts.items():
        (folder / f"{offset}.log").write_bytes(data)
    for offset, text in index.items():
        (folder / f"{offset}.idx").write_text(text)
