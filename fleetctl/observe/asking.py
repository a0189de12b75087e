"""What is asked of a port from the node: whether it accepts a connection, or answers HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from fleetctl.errors import UsageError
from fleetctl.link.protocol import ForwardingForbidden, Link
from fleetctl.observe import on_node

_T = TypeVar("_T")

ASK_TIMEOUT_S = 5.0


class Unasked(Exception):
    """A condition could not be asked; the text says why, as a clause."""


def _forbidden(link: Link) -> Unasked:
    return Unasked(
        f"it cannot be asked here: TCP forwarding is forbidden by the SSH server of {link.node}, "
        "where none of bash, nc, curl and python3 can ask either; allow it in its sshd_config "
        "(AllowTcpForwarding local), or use another ready condition"
    )


class Get(Struct, frozen=True):
    """A GET of a URL."""

    host: str
    port: int
    path: str
    request: str
    """All that is sent."""


def http_get(url: str) -> Get:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    return Get(parts.hostname or "", parts.port or 80, path, request)


def host_and_port(target: str) -> tuple[str, int]:
    """Of ``host:port``, in which an IPv6 address has brackets."""
    host, _, port = target.rpartition(":")
    return host.strip("[]"), int(port)


async def answers_http(
    link: Link, url: str, body: str = "", timeout_s: float = ASK_TIMEOUT_S
) -> bool:
    """Whether a GET of ``url``, made from the node, is answered with 2xx.

    :param body: a regular expression that must match the answer, of which the first 64 KB are
        read; empty: whatever it is.
    :raises Unasked: the node cannot be asked to connect, or the expression takes too long.
    :raises LinkError: the node is lost.
    """
    get = http_get(url)
    host, port, request = get.host, get.port, get.request
    said = bytearray()
    # ValueError: the URL is not ASCII, or the answer's first line is too long
    with suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(timeout_s):
            try:
                reader, writer = await link.open_connection(host, port, timeout_s=timeout_s)
            except ForwardingForbidden:
                ask = on_node.answer if body else on_node.first_line
                asked = ask(link, host, port, get.path, request, timeout_s)
                said += await _where_allowed(link, asked)
            else:
                try:
                    writer.write(request.encode("ascii"))
                    said += await reader.readline()
                    while (
                        body
                        and len(said) < on_node.ANSWER_BYTES
                        and (more := await reader.read(4096))
                    ):
                        said += more  # what does not end is matched as far as it came in time
                finally:
                    writer.close()
    good = re.match(rb"HTTP/\d\.\d 2\d\d\b", said) is not None
    return good and (not body or _matches(body, bytes(said[: on_node.ANSWER_BYTES])))


def _matches(expression: str, answer: bytes) -> bool:
    """Whether the body of ``answer`` matches.

    :raises Unasked: that takes too long.
    """
    from fleetctl.logs.matching import PATIENCE_S, Pattern  # mostly not needed

    try:
        pattern = Pattern(expression)
    except UsageError as error:
        raise Unasked(f"its ready.http.body is {error}") from None
    _, _, body = answer.partition(b"\r\n\r\n")
    found = pattern.search(body.decode("utf-8", "replace"))
    if pattern.gave_up:
        raise Unasked(
            f"its ready.http.body takes more than {PATIENCE_S:g} s, and may take for ever: repeat "
            "nothing that is a repetition itself, as in (a|aa)+"
        )
    return found is not None


async def accepts_connection(link: Link, target: str, timeout_s: float = ASK_TIMEOUT_S) -> bool:
    """Whether ``host:port`` accepts a TCP connection made from the node; raises as
    :func:`answers_http`."""
    host, port = host_and_port(target)
    try:
        _, writer = await link.open_connection(host, port, timeout_s=timeout_s)
    except ForwardingForbidden:
        return await _where_allowed(link, on_node.connects(link, host, port, timeout_s))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _where_allowed(link: Link, asked: Awaitable[_T]) -> _T:
    """What the node's own tools say, since its SSH server does not connect."""
    try:
        return await asked
    except on_node.NoTool:
        raise _forbidden(link) from None
