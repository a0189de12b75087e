"""nc(1) of macOS: -z with -G (connect timeout), -w and -v, -l with -k, and data over TCP."""

from __future__ import annotations

import _socket
import errno
import os
import select
from typing import Any

from ..node import complain, read
from .ping import Refused, _resolve

USAGE = "usage: nc [-46nuvz] [-G conntimeout] [-w timeout] [-s source] hostname port[s]"
CONNECT_TIMEOUT_S = 75.0
"""Darwin's net.inet.tcp.keepinit."""
BSD_TEXT = {
    errno.ECONNREFUSED: "Connection refused",
    errno.EHOSTUNREACH: "No route to host",
    errno.ENETUNREACH: "Network is unreachable",
    errno.ETIMEDOUT: "Operation timed out",
}


def main(argv: list[str], _name: str) -> int:
    flags = ""
    values = {"G": "", "w": "", "s": "", "p": ""}
    places: list[str] = []
    words = iter(argv)
    for word in words:
        if not word.startswith("-") or word == "-":
            places.append(word)
            continue
        for position, letter in enumerate(word[1:], 1):
            if letter in values:
                values[letter] = word[position + 1 :] or next(words, "")
                break
            if letter not in "46DdhklntUuvz":
                complain(f"nc: illegal option -- {letter}\n{USAGE}")
                return 1
            flags += letter
    if "l" in flags and 1 <= len(places) <= 2:
        return _listen(places, "k" in flags)
    if len(places) != 2:
        complain(USAGE)
        return 1
    try:
        address = _resolve(places[0])
    except Refused:
        complain("nc: getaddrinfo: nodename nor servname provided, or not known")
        return 1
    first, _, last = places[1].partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        complain(f"nc: port number invalid: {places[1]}")
        return 1
    patience = float(values["G"] or values["w"] or CONNECT_TIMEOUT_S)
    status = 1
    for port in range(int(first), int(last or first) + 1):
        sock = _connect(address, port, patience, values["s"], "v" in flags)
        if sock is not None:
            status = 0
            if "v" in flags:
                _greet(places[0], port)
            if "z" not in flags:
                _talk(sock, float(values["w"] or 0))
            sock.close()
    return status


def _connect(
    address: str, port: int, patience: float, source: str, loud: bool
) -> _socket.socket | None:
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        if source:
            sock.bind((source, 0))
        sock.settimeout(patience)
        sock.connect((address, port))
    except OSError as error:
        number = error.errno or errno.ETIMEDOUT  # the socket's own timeout has none
        reason = BSD_TEXT.get(number, os.strerror(number))
        if loud:
            complain(f"nc: connectx to {address} port {port} (tcp) failed: {reason}")
        sock.close()
        return None
    return sock


def _listen(places: list[str], again: bool) -> int:
    """Accept a connection, or one after the other, on [host] port."""
    server = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    server.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    try:
        server.bind((_resolve(places[0]) if len(places) == 2 else "0.0.0.0", int(places[-1])))
        server.listen(1)
    except (OSError, ValueError, Refused) as error:
        complain(f"nc: {getattr(error, 'strerror', None) or error}")
        return 1
    while True:
        # socket.socket.accept is made of it; importing that is slow
        number, _ = server._accept()  # type: ignore[attr-defined]  # not in typeshed
        taken = _socket.socket(fileno=number)
        _talk(taken, 0)
        taken.close()
        if not again:
            return 0


def _greet(host: str, port: int) -> None:
    service = "*"
    for line in read("/etc/services").splitlines():
        words = line.split()
        if len(words) > 1 and words[1] == f"{port}/tcp":
            service = words[0]
            break
    complain(f"Connection to {host} port {port} [tcp/{service}] succeeded!")


def _talk(sock: _socket.socket, idle_s: float) -> None:
    sock.setblocking(True)
    sources: list[Any] = [0, sock]
    while sock in sources:
        ready = select.select(sources, [], [], idle_s or None)[0]
        if not ready:
            return
        if 0 in ready:
            data = os.read(0, 65536)
            if data:
                sock.sendall(data)
            else:
                sources.remove(0)
                sock.shutdown(_socket.SHUT_WR)
        if sock in ready:
            data = sock.recv(65536)
            if not data:
                return
            os.write(1, data)
