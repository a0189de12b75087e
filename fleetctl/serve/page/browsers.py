"""The websocket of a browser, and the dashboard behind it (the messages are those of
textual_serve/static/js/textual.js)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web

from fleetctl.serve.page.session import Session

MOST = 4
"""Dashboards at once: each is a process, and watches through this one's connections."""
MOST_MESSAGE = 64 * 1024
HEARTBEAT_S = 15.0
DRAW_S = 30.0
"""A browser that takes nothing for so long is given up."""
MOST_REASON = 120
"""Bytes of a reason for closing (RFC 6455, 5.5: 123)."""


class Browsers:
    """All that show the dashboard.

    :param argv: the dashboard's command.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = argv
        self._open: dict[web.WebSocketResponse, asyncio.Task[str]] = {}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Show the dashboard until the browser, or the dashboard, is left."""
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MOST_MESSAGE)
        await socket.prepare(request)
        if len(self._open) >= MOST:
            await _close(socket, f"{MOST} browsers show the dashboard already. Close one of them.")
            return socket

        async def draw(content: bytes) -> None:
            async with asyncio.timeout(DRAW_S):
                await socket.send_bytes(content)

        session = Session(self._argv, draw)
        width, height = (_size(request.query.get(name)) for name in ("width", "height"))
        showing = asyncio.create_task(session.run(width, height))
        self._open[socket] = showing
        showing.add_done_callback(lambda _: asyncio.ensure_future(_close(socket, _why(showing))))
        try:
            await _obey(socket, session)
        finally:
            await session.end()
            await asyncio.wait([showing])  # its callback says why it failed
            del self._open[socket]
        return socket

    async def end(self) -> None:
        """Close all, and end their dashboards."""
        why, code = "fleetctl serve has ended.", WSCloseCode.GOING_AWAY
        await asyncio.gather(*(_close(socket, why, code=code) for socket in list(self._open)))
        if self._open:
            await asyncio.wait(self._open.values())


async def _obey(socket: web.WebSocketResponse, session: Session) -> None:
    """Hand on what the browser sends, until it is closed."""
    async for message in socket:
        if message.type != WSMsgType.TEXT:
            continue
        try:
            match json.loads(message.data):
                case ["stdin", str(text)]:
                    await session.type(text)
                case ["resize", {"width": width, "height": height}]:
                    await session.resize(width, height)
                case ["ping", str() | int() | float() as sent]:
                    await socket.send_json(["pong", sent])
                case ["focus" | "blur" as kind, *_]:
                    await session.tell(kind)
        except (ValueError, RecursionError):
            await _close(socket, "It is not understood.", code=WSCloseCode.UNSUPPORTED_DATA)
        except ConnectionError:
            return
        except TimeoutError:
            await _close(socket, "The dashboard hangs. Open the page again.")
            return


def _why(showing: asyncio.Task[str]) -> str:
    if showing.cancelled():
        return ""
    if error := showing.exception():
        return "" if isinstance(error, TimeoutError) else f"The dashboard cannot be shown: {error}"
    said = showing.result()
    return f"The dashboard cannot be shown: {said}" if said else ""


async def _close(socket: web.WebSocketResponse, why: str, *, code: int = WSCloseCode.OK) -> None:
    reason = why.encode()[:MOST_REASON].decode(errors="ignore").encode()
    with suppress(ConnectionError, TimeoutError, RuntimeError):
        async with asyncio.timeout(DRAW_S):
            await socket.close(code=code, message=reason)


def _size(given: str | None) -> int:
    return int(given) if given and given.isascii() and given.isdecimal() and len(given) < 5 else 0
