"""Connections between the nodes of one run, each between two that know its key: a part of
share_program.py.
"""

from __future__ import annotations

import hmac
import os
import queue
import socket
import threading
import time
from typing import Any

from fleetctl.sync.share_stream import Failed, Seals, exactly, seal

QUEUED = 8
JOIN_S = 10
"""For all connections to be there."""
HELLO_S = 5
STALLED_S = 60
"""The longest that a connection may stand still."""


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
