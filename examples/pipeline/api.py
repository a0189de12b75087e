"""The API on the controller: ``python3 api.py --rank0 NODE=HOST:PORT``.

- ``GET /generate?prompt=…&seed=…&temperature=…&length=…`` writes a story, as server-sent events
  (WHATWG HTML, 9.2): ``token``, ``waiting`` and ``end``, with the data of coordinator.py;
- ``GET /health`` is 200 while all ranks work, else 503 and names the first that does not;
- ``GET /metrics`` is for Prometheus (text format 0.0.4).

Of web pages, only the one that frontend.py serves may ask it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from typing import Any

from counters import Counters
from log import log
from pipeline import address, place
from remote import Place
from stage import MAX_SEED
from web import Connection, WebError
from weights import CONTEXT

try:
    import uvicorn
    from fastapi import FastAPI, Query
    from fastapi.middleware.cors import CORSMiddleware
    from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
except ImportError as error:
    log(f"{error}: README.md says how to install what requirements.txt lists")
    sys.exit(1)

CONNECT_TIMEOUT_S = 3.0
HEALTH_TIMEOUT_S = 15.0
"""Rank 0 asks all others first."""
LINE_TIMEOUT_S = 30.0
"""Rank 0 says something more often, also while it waits for a rank."""
PATIENCE_S = 120.0
RETRY_S = 0.5


class Refusal(Exception):
    """Rank 0 does not do what was asked for."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status, self.body = status, body


class Rank0:
    """The rank that coordinates the others, as the API sees it."""

    def __init__(self, where: Place) -> None:
        self.where = where

    async def health(self) -> tuple[int, dict[str, Any]]:
        """Status and JSON of its /health, or 503 and an error that names it."""
        try:
            connection = await self._open()
            try:
                status, _, body = await connection.ask("GET", "/health", b"", HEALTH_TIMEOUT_S)
                return status, dict(json.loads(body))
            finally:
                connection.close()
        except (WebError, ValueError) as error:
            return 503, {"ready": False, "error": str(self.where.error(error))}

    async def _open(self) -> Connection:
        return await Connection.open(self.where.host, self.where.port, CONNECT_TIMEOUT_S)

    async def begin(self, wish: dict[str, Any]) -> Connection:
        """Begin a story; its lines follow on the connection.

        :raises WebError: rank 0 does not answer.
        :raises Refusal: it refuses.
        """
        connection = await self._open()
        try:
            body = json.dumps(wish).encode()
            status, _, said = await connection.ask("POST", "/generate", body, HEALTH_TIMEOUT_S)
            if status != 200:
                raise Refusal(status, said)
        except BaseException:
            connection.close()
            raise
        return connection

    async def story(
        self, wish: dict[str, Any], connection: Connection
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The events of a story that has begun.

        Where rank 0 is gone in between, it is asked to go on after what is written already: chance
        depends on seed and position alone.
        """
        failing_since: float | None = None
        current: Connection | None = connection
        try:
            while True:
                try:
                    current = current or await self.begin(wish)
                    async for event in _events(current):
                        yield event
                        failing_since = None
                        if "end" in event:
                            return
                        wish = _after(wish, event)
                    raise WebError("closed the connection in the middle of a story")
                except (WebError, ValueError) as error:
                    said = str(self.where.error(error))
                except Refusal as refusal:
                    said = str(self.where.error(f"status {refusal.status}"))
                if current is not None:
                    current.close()
                current = None
                if wish["length"] < 1:
                    yield {"end": "length"}
                    return
                failing_since = failing_since or time.monotonic()
                if time.monotonic() - failing_since > PATIENCE_S:
                    yield {"end": "failed", "error": said}
                    return
                yield {"waiting": said}
                await asyncio.sleep(RETRY_S)
        finally:
            if current is not None:
                current.close()


async def _events(connection: Connection) -> AsyncGenerator[dict[str, Any], None]:
    while line := await connection.line(LINE_TIMEOUT_S):
        yield dict(json.loads(line))


def _after(wish: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """What is still to be wished for after ``event``."""
    text = str(event.get("text", ""))
    return {**wish, "prompt": wish["prompt"] + text, "length": wish["length"] - len(text)}


def make(rank0: Rank0, origins: list[str]) -> FastAPI:
    """The application.

    :param origins: of the web pages that may ask it.
    """
    app = FastAPI(title="pipeline", openapi_url=None)
    app.add_middleware(CORSMiddleware, allow_origins=origins)
    counters = Counters()

    @app.get("/generate")
    async def generate(
        prompt: str = Query("", max_length=CONTEXT),
        seed: int = Query(1, ge=0, lt=MAX_SEED),
        temperature: float = Query(0.7, ge=0, le=2),
        length: int = Query(CONTEXT, ge=1, le=CONTEXT),
    ) -> Response:
        wish = {"prompt": prompt, "seed": seed, "temperature": temperature, "length": length}
        try:
            connection = await rank0.begin(wish)
        except Refusal as refusal:
            return Response(refusal.body, refusal.status, media_type="application/json")
        except WebError as error:
            return JSONResponse({"error": str(rank0.where.error(error))}, 503)

        async def stream() -> AsyncGenerator[str, None]:
            with counters.story():
                async for event in rank0.story(wish, connection):
                    counters.count(event)
                    kind = next((k for k in ("end", "waiting") if k in event), "token")
                    yield f"event: {kind}\ndata: {json.dumps(event)}\n\n"

        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)

    @app.get("/health")
    async def health() -> Response:
        status, said = await rank0.health()
        return JSONResponse(said, status)

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(counters.text(), media_type="text/plain; version=0.0.4")

    return app


def main() -> int:
    parser = argparse.ArgumentParser(prog="api.py", description=__doc__)
    parser.add_argument("--listen", type=address, default="127.0.0.1:8080", metavar="HOST:PORT")
    parser.add_argument("--rank0", type=place, required=True, metavar="NODE=HOST:PORT")
    parser.add_argument("--page", type=address, default="127.0.0.1:5050", metavar="HOST:PORT")
    options = parser.parse_args()
    host, port = options.listen
    page_host, page_port = options.page
    names = {page_host, "localhost"} if page_host == "127.0.0.1" else {page_host}
    origins = [f"http://{name}:{page_port}" for name in names]
    app = make(Rank0(Place(0, *options.rank0)), origins)
    log(f"API at http://{host}:{port}/")
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        limit_concurrency=64,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
