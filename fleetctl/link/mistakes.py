"""A mistake of fleetctl's own: one sentence for the user, and a file to attach to a report.

What concerns one node is that node's error, as a cut cable would be, and no other's.
"""

from __future__ import annotations

import os
import sys
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fleetctl import __version__
from fleetctl.errors import FleetctlError, OwnMistake
from fleetctl.local_files import private_folder, read_bounded
from fleetctl.model.layout import STATE

MOST_BYTES = 1024 * 1024
"""Of such a file, when it is read."""


def told(error: BaseException) -> str:
    """A clause that says what happened and where its report is, which is written."""
    text = "\n".join(_lines(error)) + "\n"
    what = f"a mistake in fleetctl ({type(error).__name__}{_place(error)})"
    try:
        return f"{what}. Please report it, with the file {_written(text)}"
    except OSError:
        return f"{what}. Please report it, with what was done before"


@contextmanager
def of_node(node: str) -> Iterator[None]:
    """What is raised inside and was not meant to be is an error of ``node``.

    :raises OwnMistake: in its place.
    """
    try:
        yield
    except FleetctlError:
        raise
    except Exception as error:
        raise OwnMistake(node, told(error)) from error


def newest(most: int = 5) -> dict[str, str]:
    """The newest of these files, by name; those that cannot be read are left out."""
    found = []
    with suppress(OSError):
        for path in _folder().glob("*.txt"):
            with suppress(OSError):
                text = read_bounded(path, MOST_BYTES).decode("utf-8", "replace")
                found.append((path.stat().st_mtime, path.name, text))
    return {name: text for _, name, text in sorted(found)[-most:]}


def _folder() -> Path:
    return Path(STATE).expanduser() / ".mistakes"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    mine = [f for f in frames if "fleetctl" in Path(f.filename).parts] or frames
    return f" in {Path(mine[-1].filename).name}:{mine[-1].lineno}" if mine else ""


def _lines(error: BaseException) -> Iterator[str]:
    """A traceback without any values: an error's words may hold secrets, source lines do not."""
    yield f"fleetctl {__version__}, Python {sys.version.split()[0]}, {sys.platform}"
    seen: set[int] = set()
    waiting: list[tuple[str, BaseException | None]] = [("", error)]
    while waiting:
        label, one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield f"\n{label}{type(one).__module__}.{type(one).__qualname__}"
        yield from (line.rstrip("\n") for line in traceback.format_tb(one.__traceback__))
        waiting += [("caused by ", one.__cause__), ("while handling ", one.__context__)]
        if isinstance(one, BaseExceptionGroup):
            waiting += [("with ", each) for each in one.exceptions]


def _written(text: str) -> Path:
    """The file, of which there is one for each mistake, however often it happens.

    :raises OSError: it cannot be written.
    """
    folder = _folder()
    private_folder(folder)
    path = folder / f"{zlib.crc32(text.encode()):08x}.txt"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path
