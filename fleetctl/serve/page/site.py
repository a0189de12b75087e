"""The HTTP side of a server: which path answers what, to which requests."""

from __future__ import annotations

import asyncio
import html
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import textual_serve
from aiohttp import web
from aiohttp.typedefs import Handler

from fleetctl.errors import FleetctlError, UsageError
from fleetctl.link.mistakes import told
from fleetctl.model.events import Event
from fleetctl.package_files import package_text
from fleetctl.serve.newest import Newest, Question, UnknownJob
from fleetctl.serve.page import listeners
from fleetctl.serve.page.browsers import Browsers
from fleetctl.serve.page.guard import COOKIE, COOKIE_S, Guard, content_policy
from fleetctl.serve.page.listeners import Listeners
from fleetctl.serve.page.metrics import Metrics, OldSnapshot
from fleetctl.serve.page.settings import HttpSettings
from fleetctl.undertakings import Snapshot

MOST_BODY = 4096
KEEP_ALIVE_S = 15.0
"""After so long without an event a client that listens is sent a comment."""
SEND_S = 30.0
END_S = 2.0
RETRY_S = "2"
_LOGIN = ("GET", "/"), ("GET", "/login"), ("POST", "/login")
"""What is answered without a token: by asking for it."""
_PUBLIC = ("/page.css",)
_SHOWN = {"page.css": "text/css", "page.js": "text/javascript"}


class Site:
    """Answers HTTP as ``settings`` say.

    :param say: takes what the user should know.
    """

    def __init__(self, settings: HttpSettings, say: Callable[[str], object]) -> None:
        self._settings = settings
        self._say = say
        self._guard = Guard(settings, (socket.gethostname(),))
        self._metrics = Metrics()
        self._listeners = Listeners()
        self._browsers = Browsers(settings.dashboard)
        self._fleet = ""
        self._newest: Callable[[], Newest | None] = lambda: None
        self._ending = asyncio.Event()

    async def take(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """What is seen of the fleet, and what is new in it."""
        self._metrics.take(snapshot)
        self._listeners.take(events)

    @asynccontextmanager
    async def open(self, fleet: str, newest: Callable[[], Newest | None]) -> AsyncIterator[None]:
        """Answer while the context is open.

        :param newest: the newest status, if anything is watched at the moment.
        :raises FleetctlError: the port cannot be had.
        """
        self._fleet, self._newest = fleet, newest
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=END_S)
        await runner.setup()
        try:
            address = str(self._settings.address)
            try:
                await web.TCPSite(runner, address, self._settings.port).start()
            except OSError as error:
                raise FleetctlError(
                    f"nothing can be served at {self._settings.url}: {error.strerror or error}",
                    hint="--http takes another address and port.",
                ) from None
            self._say(f"the page is {self._settings.url}")
            yield
        finally:
            self._ending.set()
            await self._browsers.end()
            await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._let_in], client_max_size=MOST_BODY)
        app.on_response_prepare.append(_guarded)
        app.router.add_get("/", self._index)
        app.router.add_get("/login", self._index)  # where a wrong token leaves a browser
        app.router.add_post("/login", self._login)
        app.router.add_get("/ws", self._dashboard)
        app.router.add_get("/metrics", self._tell_metrics)
        app.router.add_get("/status.json", self._tell_status)
        app.router.add_get("/events", self._tell_events)
        for name, kind in _SHOWN.items():
            app.router.add_get(f"/{name}", _shown(name, kind))
        static = Path(textual_serve.__file__).parent / "static"
        app.router.add_static("/static", static, follow_symlinks=False)
        return app

    # letting in

    @web.middleware
    async def _let_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        changes = request.method not in ("GET", "HEAD") or request.path == "/ws"
        if why := self._guard.not_meant(request.headers, changes=changes):
            return web.Response(status=403, text=f"{why}\n")
        known = self._guard.knows(request.headers, request.cookies)
        asked = (request.method, request.path)
        if not (known or asked in _LOGIN or request.path in _PUBLIC):
            return web.Response(
                status=401,
                text="It needs the token: as a bearer token, or by / in a browser.\n",
                headers={"WWW-Authenticate": "Bearer"},
            )
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - one request must not end the server
            self._say(f"{request.path}: this is {told(error)}")
            return web.Response(status=500, text="This is a mistake of fleetctl's.\n")

    async def _index(self, request: web.Request) -> web.Response:
        """The page; a form that asks for the token; or from ``/?token=`` to the page."""
        given = request.query.get("token")
        if given is not None:
            return self._begun(given)
        if not self._guard.knows(request.headers, request.cookies):
            return _page("login.html", {"WRONG": ""})
        asked = request.query.get("fontsize", "")
        size = (
            asked if asked.isascii() and asked.isdecimal() and 8 <= int(asked[:4]) <= 40 else "16"
        )
        may = "" if self._settings.actions else "read-only"
        return _page("index.html", {"FLEET": self._fleet, "SIZE": size, "MAY": may})

    async def _login(self, request: web.Request) -> web.Response:
        given = (await request.post()).get("token")
        return self._begun(given if isinstance(given, str) else "")

    def _begun(self, given: str) -> web.Response:
        """To the page if the token is right. Not by a redirect: its request would count as sent by
        the page that had the link, and come without the cookie (SameSite=Strict)."""
        if self._settings.token is not None and not self._guard.is_token(given.strip()):
            return _page("login.html", {"WRONG": "That is not the token."}, status=403)
        response = _page("begun.html", {})
        if self._settings.token is not None:
            response.set_cookie(
                COOKIE, self._guard.cookie, max_age=COOKIE_S, httponly=True, samesite="Strict"
            )
        return response

    # answers

    async def _dashboard(self, request: web.Request) -> web.StreamResponse:
        return await self._browsers.serve(request)

    async def _tell_metrics(self, request: web.Request) -> web.Response:
        try:
            text, kind = self._metrics.text(request.headers.get("Accept", ""))
        except OldSnapshot as error:
            return _not_yet(str(error))
        return web.Response(body=text, headers={"Content-Type": kind})

    async def _tell_status(self, request: web.Request) -> web.Response:
        newest = self._newest()
        if newest is None:
            return _not_yet("Nothing is watched at the moment.")
        job = request.query.get("job") or newest.first_job
        try:
            found = await newest.json(Question(job, tuple(request.query.getall("target", ()))))
        except UnknownJob:
            return web.Response(status=404, text=f"Job {job} is not watched.\n")
        except UsageError as error:
            return web.Response(status=404, text=f"{error}\n")
        if found is None:
            return _not_yet("Not every node was asked newly enough.")
        return web.Response(body=found[1], content_type="application/json", charset="utf-8")

    async def _tell_events(self, request: web.Request) -> web.StreamResponse:
        listener = self._listeners.begin()
        if listener is None:
            return _not_yet(f"{listeners.MOST} clients listen already.")
        try:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            last = request.headers.get("Last-Event-ID") or request.query.get("last-event-id")
            await self._send(response, listener, last)
        except (ConnectionError, TimeoutError):
            pass  # it left, or takes nothing
        finally:
            self._listeners.end(listener)
        return response

    async def _send(
        self, response: web.StreamResponse, listener: listeners.Listener, last: str | None
    ) -> None:
        sent: set[str] = set()
        await _write(response, listeners.comment(f"events of {self._fleet}"))
        if last:
            found, note = await asyncio.to_thread(listeners.past, self._fleet, last)
            if note:
                await _write(response, listeners.comment(note))
            for one in found:
                await _write(response, listeners.frame(one))
                sent.add(listeners.id_of(one))
        while not self._ending.is_set():
            event = await _until(listener.next(KEEP_ALIVE_S), self._ending)
            if event is None and listener.behind:
                await _write(response, listeners.comment("too slow; come back with the last id"))
                return
            if event is None:
                await _write(response, listeners.comment("nothing new"))
                sent.clear()
            elif listeners.id_of(event) not in sent:
                await _write(response, listeners.frame(event))


async def _until(next_one: Awaitable[Event | None], ending: asyncio.Event) -> Event | None:
    """What comes next, or None once it is time to end."""
    waiting = asyncio.ensure_future(next_one)
    end = asyncio.create_task(ending.wait())
    try:
        await asyncio.wait((waiting, end), return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    finally:
        waiting.cancel()
        end.cancel()


async def _write(response: web.StreamResponse, content: bytes) -> None:
    async with asyncio.timeout(SEND_S):
        await response.write(content)


async def _guarded(request: web.Request, response: web.StreamResponse) -> None:
    """Headers that keep a browser from doing more with an answer than is meant."""
    headers = response.headers
    headers["Content-Security-Policy"] = content_policy(request.headers.get("Host", ""))
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "same-origin"  # with no-referrer a form's Origin would be null
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if not request.path.startswith("/static/"):
        headers["Cache-Control"] = "no-store"
    headers.popall("Server", None)


def _not_yet(why: str) -> web.Response:
    return web.Response(status=503, text=f"{why}\n", headers={"Retry-After": RETRY_S})


def _page(name: str, words: dict[str, str], status: int = 200) -> web.Response:
    text = package_text(f"serve/page/{name}")
    for place, word in words.items():
        text = text.replace(f"{{{place}}}", html.escape(word))
    return web.Response(text=text, content_type="text/html", status=status)


def _shown(name: str, kind: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        text = package_text(f"serve/page/{name}")
        return web.Response(text=text, content_type=kind)

    return answer
