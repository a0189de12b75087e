"""One node's part in sharing files: run on the node by its own python3, 3.7 or later, alone, in the
folder that the files go into.

Each node gets a stream from its source and passes it on to its children while it writes what it
needs; the head gets it over stdin. Stdin: a line of JSON with the part, then one with the
connections; the end of stdin ends the program. Stdout: JSON objects, a line each.

The stream is items: four bytes of length, a JSON object, its seal. Behind that of a file come its
content, the SHA-256 of that, and a seal. A seal is an HMAC with the run's key over a number, which
counts up, and the text; so what a stranger sends, leaves out or changes is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import queue
import select
import signal
import socket
import stat
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Iterator  # noqa: UP035 -- for Python 3.7

PIECE = 1024 * 1024
MOST_HEADER = 64 * 1024
QUEUED = 8
JOIN_S = 10
"""For all connections to be there."""
HELLO_S = 5
STALLED_S = 60
"""The longest that a connection may stand still."""
STAGE = ".fleetctl-sync."
STALE_S = 24 * 3600


class Failed(Exception):
    """This node's part has failed.

    ``kind``: "own": for a reason of its own; "edge": between it and its source; "behind": what
    comes from its source has ended early.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Seals:
    """The seals of one stream, in its order."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._number = 0

    def of(self, text: bytes) -> bytes:
        self._number += 1
        return seal(self._key, self._number.to_bytes(8, "big") + text)


def seal(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


def header(seals: Seals, item: dict[str, Any]) -> bytes:
    text = json.dumps(item).encode()
    return len(text).to_bytes(4, "big") + text + seals.of(text)


def trailer(seals: Seals, digest: bytes) -> bytes:
    return digest + seals.of(digest)


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


# connections


def listening(address: str) -> socket.socket:
    server = socket.socket()
    server.bind((address, 0))
    server.listen(4)
    return server


def joined(end: dict[str, Any], servers: list[socket.socket], key: bytes) -> socket.socket:
    """The connection of an edge: made, or waited for; both sides have shown that they know the
    key."""
    until = time.monotonic() + JOIN_S
    if "address" in end:
        link: socket.socket = socket.create_connection((end["address"], end["port"]), JOIN_S)
        greet(link, end, key)
        return link
    server = servers[end["listens"]]
    try:
        while True:
            server.settimeout(max(0.1, until - time.monotonic()))
            link, _ = server.accept()
            try:
                greet(link, end, key)
            except OSError:  # a stranger's
                link.close()
            else:
                return link
    finally:
        server.close()


def greet(link: socket.socket, end: dict[str, Any], key: bytes) -> None:
    """
    :raises OSError: the other side is not of this run.
    """
    link.settimeout(HELLO_S)
    edge = end["edge"].encode()
    mine, theirs = (b"source", b"child") if end["to_child"] else (b"child", b"source")
    sent = os.urandom(16)
    link.sendall(sent)
    came = exactly(link.recv, 16)
    link.sendall(seal(key, edge + b" " + mine + sent + came))
    if not hmac.compare_digest(
        exactly(link.recv, 32), seal(key, edge + b" " + theirs + came + sent)
    ):
        raise ConnectionError("what answers there does not belong to this run")
    link.settimeout(STALLED_S)


def exactly(read: Callable[[int], bytes], size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = read(min(PIECE, size - len(found)))
        if not piece:
            raise ConnectionError("the connection was closed")
        found += piece
    return bytes(found)


class Child(threading.Thread):
    """Passes the stream on to one node, on a connection of its own pace."""

    def __init__(self, name: str, link: socket.socket, key: bytes) -> None:
        super().__init__(daemon=True)
        self.name = name
        self.seals = Seals(key)
        self.lost = ""
        self._link = link
        self._queue: queue.Queue[bytes | None] = queue.Queue(QUEUED)

    def put(self, data: bytes | None) -> None:
        """None: that was all."""
        self._queue.put(data)

    def run(self) -> None:
        try:
            while True:
                data = self._queue.get()
                if data is None:
                    self._link.shutdown(socket.SHUT_WR)
                    return
                self._link.sendall(data)
        except OSError as error:
            self.lost = str(error) or type(error).__name__
            self._link.close()
            while self._queue.get() is not None:
                pass


class Source:
    """What comes from the source, checked.

    :param read: at most so many bytes of it; none at its end.
    """

    def __init__(self, read: Callable[[int], bytes], key: bytes) -> None:
        self._read = read
        self._seals = Seals(key)

    def item(self) -> dict[str, Any]:
        size = int.from_bytes(self._exactly(4), "big")
        if size > MOST_HEADER:
            raise Failed("edge", "what came is not what was sent")
        text = self._exactly(size)
        self._check(text)
        item: dict[str, Any] = json.loads(text)
        return item

    def pieces(self, size: int) -> Iterator[bytes]:
        while size:
            data = self._some(min(PIECE, size))
            size -= len(data)
            yield data

    def check_digest(self, path: str, found: bytes) -> None:
        sent = self._exactly(32)
        self._check(sent)
        if sent != found:
            raise Failed("edge", f"{path} did not arrive as it was sent")

    def _check(self, text: bytes) -> None:
        if not hmac.compare_digest(self._exactly(32), self._seals.of(text)):
            raise Failed("edge", "what came is not what was sent")

    def _exactly(self, size: int) -> bytes:
        return exactly(self._some, size)

    def _some(self, most: int) -> bytes:
        try:
            data = self._read(most)
        except OSError as error:
            raise Failed("behind", f"its source was lost: {error}") from None
        if not data:
            raise Failed("behind", "its source was lost")
        return data


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


def connect(wiring: dict[str, Any], servers: list[socket.socket], key: bytes) -> Any:
    """The source's connection, if there is one, and the children; all at the same time."""
    ends = [*wiring["children"], *([wiring["source"]] if wiring["source"] else [])]
    links: dict[str, socket.socket] = {}
    why: dict[str, str] = {}

    def one(end: dict[str, Any]) -> None:
        try:
            links[end["edge"]] = joined(end, servers, key)
        except OSError as error:
            why[end["edge"]] = str(error) or type(error).__name__

    threads = [threading.Thread(target=one, args=(end,), daemon=True) for end in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    edges = [end["edge"] for end in wiring["children"] if end["edge"] in links]
    children = [Child(edge, links[edge], key) for edge in edges]
    source = wiring["source"]
    if source and source["edge"] not in links:
        reason = why[source["edge"]]
        raise Failed("edge", f"no connection with {source['name']}: {reason}")
    return (links[source["edge"]] if source else None), children


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
