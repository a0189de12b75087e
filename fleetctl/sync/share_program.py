"""One node's part in sharing files: run on the node by its own python3, 3.7 or later, behind
share_stream.py and share_links.py, in the folder that the files go into.

Each node gets a stream from its source and passes it on to its children while it writes what it
needs; the head gets it over stdin. Stdin: a line of JSON with the part, then one with the
connections; the end of stdin ends the program. Stdout: JSON objects, a line each.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import stat
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Iterator  # noqa: UP035 -- for Python 3.7

from fleetctl.sync.share_links import STALLED_S, Child, connect, listening
from fleetctl.sync.share_stream import PIECE, Failed, Source, header, trailer

STAGE = ".fleetctl-sync."
STALE_S = 24 * 3600


# what is being written


class Writing:
    """A file that is written beside its place, and then put there."""

    current: Writing | None = None

    def __init__(self, item: dict[str, Any]) -> None:
        self._item = item
        self._path = Path(item["path"])
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        self.beside = folder / (STAGE + os.urandom(6).hex())
        self._fd = -1
        Writing.current = self
        if "link" in item:
            self.beside.symlink_to(item["link"])
        else:
            self._fd = os.open(self.beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def place(self) -> None:
        if self._fd >= 0:
            os.fchmod(self._fd, self._item["mode"])
            self._close()
            os.utime(self.beside, ns=(self._item["mtime_ns"], self._item["mtime_ns"]))
        self.beside.replace(self._path)
        Writing.current = None

    def discard(self) -> None:
        Writing.current = None
        self._close()
        with suppress(OSError):
            self.beside.unlink()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def sweep(folder: Path) -> None:
    """Takes away what a part that was killed has left in ``folder``."""
    for path in folder.iterdir():
        if path.name.startswith(STAGE):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_mtime < time.time() - STALE_S:
                path.unlink()


def end_at_once(*_: object) -> None:
    writing = Writing.current
    if writing is not None:
        with suppress(OSError):
            writing.beside.unlink()
    os._exit(3)


# stdin and stdout


class Stdin:
    def __init__(self) -> None:
        self._held = b""

    def line(self) -> dict[str, Any]:
        while b"\n" not in self._held:
            self._held += self._more(PIECE)
        text, _, self._held = self._held.partition(b"\n")
        part: dict[str, Any] = json.loads(text)
        return part

    def read(self, most: int) -> bytes:
        if not self._held:
            return self._more(most)
        data, self._held = self._held[:most], self._held[most:]
        return data

    def _more(self, most: int) -> bytes:
        if not select.select([0], [], [], STALLED_S)[0]:
            raise Failed("behind", f"nothing came from the controller for {STALLED_S} s")
        data = os.read(0, most)
        if not data:
            end_at_once()
        return data


def until_stdin_ends() -> None:
    while os.read(0, PIECE):
        pass
    end_at_once()


def say(**told: Any) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


# the stream


class Part:
    """Takes the stream item by item, writes what is needed, and passes all of it on."""

    def __init__(self, source: Source, children: list[Child], needs: set[str]) -> None:
        self._source = source
        self._children = children
        self._needs = needs
        self._told = time.monotonic()
        self.passed = 0
        self.obstacle = ""
        """Why nothing is written any more."""

    def run(self) -> None:
        while True:
            item = self._source.item()
            if "end" in item:
                break
            self._take(item)
        for child in self._children:
            child.put(header(child.seals, item))
            child.put(None)

    def _take(self, item: dict[str, Any]) -> None:
        own = item.pop("own", False)
        for child in self._children:
            child.put(header(child.seals, item))
        path = item["path"]
        needed = path in self._needs and not own
        writing = self._try(path, Writing, item) if needed else None
        if "link" not in item:
            pieces = self._own(item) if own else self._source.pieces(item["size"])
            digest = hashlib.sha256()
            for data in pieces:
                digest.update(data)
                for child in self._children:
                    child.put(data)
                if writing:
                    self._try(path, writing.write, data)
                self._tell(len(data))
            if not own:
                self._source.check_digest(path, digest.digest())
            for child in self._children:
                child.put(trailer(child.seals, digest.digest()))
        if writing:
            self._try(path, writing.place)

    def _try(self, path: str, do: Callable[..., Any], *values: object) -> Any:
        if self.obstacle:
            return None
        try:
            return do(*values)
        except OSError as error:
            self.obstacle = f"{path} cannot be written: {error.strerror}"
            if Writing.current:
                Writing.current.discard()
            return None

    def _own(self, item: dict[str, Any]) -> Iterator[bytes]:
        try:
            with Path(item["path"]).open("rb", buffering=0) as file:
                left = item["size"]
                while left:
                    data = file.read(min(PIECE, left))
                    if not data:
                        raise Failed("edge", f"{item['path']} became shorter there")
                    left -= len(data)
                    yield data
        except OSError as error:
            raise Failed("edge", f"{item['path']} cannot be read: {error.strerror}") from None

    def _tell(self, size: int) -> None:
        self.passed += size
        if time.monotonic() > self._told + 1:
            self._told = time.monotonic()
            say(at=self.passed)


def run() -> dict[str, Any]:
    stdin = Stdin()
    part = stdin.line()
    key = bytes.fromhex(part["key"])
    try:
        servers = [listening(address) for address in part["listens"]]
    except OSError as error:
        raise Failed("edge", f"it cannot listen on its address: {error.strerror}") from None
    say(ports=[server.getsockname()[1] for server in servers])
    wiring = stdin.line()
    if wiring["source"]:
        threading.Thread(target=until_stdin_ends, daemon=True).start()
    link, children = connect(wiring, servers, key)
    for child in children:
        child.start()
    say(joined=True)
    began = time.monotonic()
    does = Part(Source(link.recv if link else stdin.read, key), children, set(part["needs"]))
    does.run()
    for child in children:
        child.join()
    if does.obstacle:
        raise Failed("own", does.obstacle)
    return {"done": does.passed, "seconds": time.monotonic() - began}


def main() -> None:
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end_at_once)
    try:
        say(**run())
    except Failed as error:
        if Writing.current:
            Writing.current.discard()
        say(error=str(error), kind=error.kind)
    os._exit(0)


if __name__ == "__main__":
    main()
