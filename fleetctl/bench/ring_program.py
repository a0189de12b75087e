"""One node's part of an all-reduce: run on the node by its own python3, 3.7 or later, alone.

The first line of stdin is its part as JSON; the end of stdin ends it. Each of the two neighbours in
the ring is an ``End``: it is listened for, or connected to, whichever the network allows. It prints
one JSON object.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import sys
import threading
import time
from typing import Any

PIECE = 256 * 1024


def until_stdin_ends() -> None:
    sys.stdin.read()
    os._exit(3)


def listening(end: dict[str, Any]) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((end["address"], end["port"]))
    server.listen(2)
    return server


def connected(end: dict[str, Any], token: bytes, until: float) -> socket.socket:
    """Connects once the other side listens, and shows that it belongs to this ring."""
    while True:
        try:
            link = socket.create_connection((end["address"], end["port"]), 3)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            link.sendall(token)
            return link


def accepted(server: socket.socket, token: bytes, until: float) -> socket.socket:
    """The connection of the neighbour; any other one is closed."""
    while True:
        server.settimeout(max(0.1, until - time.monotonic()))
        link, _ = server.accept()
        link.settimeout(3)
        try:
            if received(link, len(token)) == token:
                return link
        except OSError:
            pass
        link.close()


def received(link: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = link.recv(min(PIECE, size - len(found)))
        if not piece:
            raise ConnectionError("the neighbour has closed the connection")
        found += piece
    return bytes(found)


def all_reduce(
    values: array.array[float], rank: int, size: int, to: socket.socket, source: socket.socket
) -> None:
    """Makes ``values`` the sum of those of all nodes: each part goes round the ring twice."""
    part = len(values) // size
    for step in range(2 * size - 2):
        mine = (rank - step) % size * part
        theirs = (rank - step - 1) % size * part
        out = values[mine : mine + part].tobytes()
        sending = threading.Thread(target=to.sendall, args=(out,), daemon=True)
        sending.start()
        came = array.array("d", received(source, 8 * part))
        sending.join()
        if step < size - 1:
            came = array.array("d", map(float.__add__, values[theirs : theirs + part], came))
        values[theirs : theirs + part] = came


def run(plan: dict[str, Any]) -> dict[str, Any]:
    rank, size = plan["rank"], plan["size"]
    token = plan["token"].encode()
    until = time.monotonic() + plan["wait_s"]
    ends = (plan["to"], plan["source"])
    servers = [listening(end) if end["listens"] else None for end in ends]
    links = {}
    for number, end in enumerate(ends):  # before any waiting: a connection needs no accept
        if not end["listens"]:
            links[number] = connected(end, token, until)
    for number, server in enumerate(servers):
        if server is not None:
            links[number] = accepted(server, token, until)
    to, source = links[0], links[1]
    for link in (to, source):
        link.settimeout(plan["wait_s"])
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times = []
    for _ in range(plan["rounds"]):
        values = array.array("d", [rank + 1.0]) * (plan["numbers"] // size * size)
        began = time.monotonic()
        all_reduce(values, rank, size, to, source)
        times.append(time.monotonic() - began)
        if set(values) != {size * (size + 1) / 2}:
            return {"error": "the sum is wrong"}
    return {"times_s": times}


def main() -> None:
    plan = json.loads(sys.stdin.readline())
    threading.Thread(target=until_stdin_ends, daemon=True).start()
    signal.alarm(plan["most_s"])
    try:
        found = run(plan)
    except OSError as error:
        found = {"error": str(error) or type(error).__name__}
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
