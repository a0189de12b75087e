"""As much of HTTP/1.1 as the ranks need (RFC 9112), with a bound on every size and every wait.

No chunked bodies, and no trailers: a body has a Content-Length, or goes on until the connection
is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

MAX_HEAD_BYTES = 8192
MAX_BODY_BYTES = 64 * 1024
MAX_CONNECTIONS = 32
HEAD_TIMEOUT_S = 60.0
"""How long a connection may be idle between two requests."""
BODY_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 10.0


class WebError(Exception):
    """The other side is gone, silent, or does not speak the protocol; the text is a clause."""


@dataclass
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes


@dataclass
class Answer:
    status: int
    body: bytes = b""
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    lines: AsyncGenerator[bytes, None] | None = None
    """Sent after the body as they come; then the connection is closed."""


def said(status: int, **values: object) -> Answer:
    """An answer of one JSON object."""
    return Answer(status, json.dumps(values).encode() + b"\n", "application/json")


Handler = Callable[[Request], Awaitable[Answer]]


async def serve(host: str, port: int, handler: Handler) -> asyncio.AbstractServer:
    """Answer requests at one address until the server is closed.

    :raises OSError: it cannot be listened on.
    """
    count = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        try:
            if count > MAX_CONNECTIONS:
                await _send(writer, said(503, error="too many connections"), last=True)
            else:
                await _conversation(reader, writer, handler)
        except (OSError, WebError, asyncio.TimeoutError):
            pass  # the client is gone, or silent
        except asyncio.CancelledError:
            pass  # this program ends; asyncio's streams would print a traceback
        finally:
            count -= 1
            writer.close()

    return await asyncio.start_server(talk, host, port, limit=MAX_HEAD_BYTES)


async def _conversation(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler
) -> None:
    while True:
        try:
            request = await _request(reader)
        except WebError as error:
            await _send(writer, said(400, error=str(error)), last=True)
            return
        if request is None:
            return
        answer = await handler(request)
        await _send(writer, answer, last=answer.lines is not None)
        if answer.lines is not None:
            await _stream(reader, writer, answer.lines)
            return


async def _request(reader: asyncio.StreamReader) -> Request | None:
    """The next request; ``None`` where the client sends no more."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_TIMEOUT_S)
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise WebError(f"more than {MAX_HEAD_BYTES} bytes before the body") from None
    first, headers = _head(head)
    words = first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise WebError("not a request of HTTP/1.1")
    length = _length(headers) or 0
    try:
        body = await asyncio.wait_for(reader.readexactly(length), BODY_TIMEOUT_S)
    except asyncio.IncompleteReadError:
        return None
    try:
        target = urlsplit(words[1])
    except ValueError:
        raise WebError("not a path") from None
    return Request(words[0], target.path, dict(parse_qsl(target.query)), body)


def _head(text: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = text.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _length(headers: Mapping[str, str]) -> int | None:
    if "transfer-encoding" in headers:
        raise WebError("a body without a Content-Length")
    text = headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) <= MAX_BODY_BYTES):
        raise WebError(f"a body of {text[:20]!r} bytes, and {MAX_BODY_BYTES} are the most")
    return int(text)


async def _send(writer: asyncio.StreamWriter, answer: Answer, *, last: bool) -> None:
    headers = {"Content-Type": answer.content_type, **answer.headers}
    if answer.lines is None:
        headers["Content-Length"] = str(len(answer.body))
    if last:
        headers["Connection"] = "close"
    first = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
    head = first + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    await _write(writer, head.encode("latin-1") + b"\r\n" + answer.body)


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await asyncio.wait_for(writer.drain(), WRITE_TIMEOUT_S)


async def _stream(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lines: AsyncGenerator[bytes, None]
) -> None:
    """Send lines until there are no more, or the client goes away, also in between two lines."""

    async def send() -> None:
        async for line in lines:
            await _write(writer, line)

    sending = asyncio.ensure_future(send())
    leaving = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)
        await lines.aclose()


class Connection:
    """A connection to a server, for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, host: str, port: int, timeout_s: float) -> Connection:
        """Connect.

        :raises WebError: nothing accepts the connection within ``timeout_s``.
        """
        opening = asyncio.open_connection(host, port, limit=MAX_HEAD_BYTES)
        try:
            return cls(*await asyncio.wait_for(opening, timeout_s))
        except asyncio.TimeoutError:
            raise WebError(f"no answer within {timeout_s:g} s") from None
        except OSError as error:
            raise WebError(_reason(error)) from None

    async def ask(
        self, method: str, target: str, body: bytes, timeout_s: float
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request; status, headers (names in small letters) and body of the answer.

        :raises WebError: there is no whole answer within ``timeout_s``; the connection is useless.
        """
        try:
            return await asyncio.wait_for(self._ask(method, target, body), timeout_s)
        except asyncio.TimeoutError:
            raise WebError(f"no answer within {timeout_s:g} s") from None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            raise WebError("closed the connection in the middle of an answer") from None
        except OSError as error:
            raise WebError(_reason(error)) from None

    async def _ask(
        self, method: str, target: str, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        host = self._writer.get_extra_info("peername")[0]
        head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        await self._writer.drain()
        first, headers = _head(await self._reader.readuntil(b"\r\n\r\n"))
        status = int(first.split(" ")[1])
        length = _length(headers)
        if length is None:
            return status, headers, b""
        return status, headers, await self._reader.readexactly(length)

    async def line(self, timeout_s: float) -> bytes:
        """The next line of an answer that goes on; empty at its end.

        :raises WebError: nothing comes within ``timeout_s``, or the server is gone.
        """
        try:
            return await asyncio.wait_for(self._reader.readline(), timeout_s)
        except asyncio.TimeoutError:
            raise WebError(f"silent for {timeout_s:g} s") from None
        except (OSError, ValueError) as error:
            raise WebError(str(error)) from None

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._writer.close()


def _reason(error: OSError) -> str:
    """Its words, also where asyncio tried several addresses."""
    return os.strerror(error.errno) if error.errno else str(error) or "no connection"
