"""Sending whole files as a tar archive over the link, where there is no rsync."""

from __future__ import annotations

import asyncio
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence

from fleetctl.link.protocol import Link
from fleetctl.model.syncing import Entry, SyncError
from fleetctl.sync.node_files import NO_STAGE, STALLED_S, Place, no_stage, not_sent

_PIECE = 256 * 1024
_UNPACK = "tar -xpof -"


async def send(
    link: Link, place: Place, source: str, paths: Sequence[str], files: Mapping[str, Entry]
) -> None:
    """Send ``paths`` of the folder ``source`` into the stage of ``place``.

    :raises SyncError: it failed.
    :raises LinkError: the node cannot be reached, or is lost.
    """
    pieces = _joined(archive(link.node, source, {path: files[path] for path in paths}))
    async with link.stream(place.receive(_UNPACK)) as stream:
        while piece := await asyncio.to_thread(next, pieces, b""):
            stream.write(piece)
            await stream.drain(STALLED_S)
        stream.write_eof()
        while await stream.read(STALLED_S):
            pass
    if stream.exit_status == NO_STAGE:
        raise no_stage(link.node, stream.stderr)
    if stream.exit_status:
        said = stream.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise not_sent(link.node, "tar", said)


def archive(node: str, source: str, files: Mapping[str, Entry]) -> Iterator[bytes]:
    """The archive, in the format of GNU tar, which those of macOS and busybox read, too.

    :raises SyncError: a file is no longer what it was when it was looked at.
    """
    for path, entry in files.items():
        info = tarfile.TarInfo(path)
        info.mode, info.mtime = entry.mode, entry.mtime
        if entry.kind == "link":
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
            yield info.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")
            continue
        info.size = entry.size
        yield info.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")
        yield from content(node, os.path.join(source, path), entry.size)  # noqa: PTH118 -- bytes
        yield b"\0" * (-entry.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def content(node: str, path: str, size: int) -> Iterator[bytes]:
    """The bytes of a file, whose size was ``size`` when it was looked at.

    :raises SyncError: it is shorter by now, or cannot be read.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- as above
            left = size
            while left:
                piece = file.read(min(left, _PIECE))
                if not piece:
                    raise SyncError(
                        node,
                        f"{path} became shorter while it was sent; nothing was changed",
                        hint="Sync again.",
                    )
                left -= len(piece)
                yield piece
    except OSError as error:
        what = f"{path} cannot be read any more: {error.strerror}; nothing was changed"
        raise SyncError(node, what) from None


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that are worth a write."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= _PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
