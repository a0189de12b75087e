"""stdout and stderr of this process, where they may be closed or cannot be written.

What cannot be written to stdout ends the command with a sentence; to stderr, it is lost, for there
is nowhere left to say so.
"""

from __future__ import annotations

import io
import os
import sys

from fleetctl.errors import FleetctlError

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing would take longer than all of this
    from typing import Any


class OutputLost(FleetctlError):
    """stdout cannot be written."""


class ReaderGone(BrokenPipeError):
    """The reader of stdout has closed it; not the pipe to some other program."""


class _Out(io.FileIO):
    """stdout; the first failure of a write is kept in :attr:`lost`."""

    lost: OutputLost | None = None

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError as error:  # the reader has read enough
            raise ReaderGone(*error.args) from None
        except OSError as error:
            self.lost = OutputLost(
                f"stdout cannot be written, so the output is not complete: {error.strerror}",
                hint="Make room there, or redirect it.",
            )
            raise self.lost from None


class _Err(io.FileIO):
    """stderr; a write that fails is lost."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


class Streams:
    """Replaces ``sys.stdout`` and ``sys.stderr``.

    :raises OutputLost: stdout is closed. Nothing may be begun then: whatever is opened next would
        get its number, and the output.
    """

    def __init__(self) -> None:
        for fd in (0, 2):
            if not _is_open(fd):
                _point_at_nothing(fd)
        sys.stderr = _text(_Err(2, "w", closefd=False), sys.stderr)
        if not _is_open(1):
            _point_at_nothing(1)
            raise OutputLost(
                "stdout is closed, so nothing was done", hint="Redirect it, also >/dev/null."
            )
        self._out = _Out(1, "w", closefd=False)
        sys.stdout = _text(self._out, sys.stdout)

    def flush(self) -> OutputLost | None:
        """Write what is left; returns why stdout could not be written, now or before."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, OutputLost):
                continue
        return self._out.lost


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _point_at_nothing(fd: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing != fd:
        os.dup2(nothing, fd)
        os.close(nothing)


def _text(raw: io.FileIO, like: Any) -> io.TextIOWrapper:
    """A text stream over ``raw``, set up as Python's own, which is None if it was closed."""
    buffered = io.BufferedWriter(raw)
    if like is None:
        return io.TextIOWrapper(buffered, encoding="utf-8", errors="backslashreplace")
    return io.TextIOWrapper(
        buffered,
        encoding=like.encoding,
        errors=like.errors,
        line_buffering=like.line_buffering,
        write_through=like.write_through,
    )
