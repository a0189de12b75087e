"""Requests to a process of the lab over a unix socket: one JSON object per line, one answer each.

An answer is ``{"ok": true, …}`` or ``{"ok": false, "error": "one sentence"}``.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleetctl.errors import FleetctlError, LabError

READ_TIMEOUT_S = 10.0
MAX_LINE_BYTES = 64 * 1024

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, answer: Answer) -> None:
        self.answer = answer
        self.turn = threading.Lock()
        super().__init__(path, _Conversation)


class _Conversation(socketserver.StreamRequestHandler):
    timeout = READ_TIMEOUT_S
    server: _Server

    def handle(self) -> None:
        try:
            while line := self.rfile.readline(MAX_LINE_BYTES):
                with self.server.turn:
                    answer = self._answer(line)
                self.wfile.write(json.dumps(answer).encode() + b"\n")
        except OSError:
            return  # the client is silent or gone

    def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise LabError("a request is a JSON object")
            return {"ok": True, **self.server.answer(request)}
        except ValueError as error:
            return {"ok": False, "error": f"that is no JSON: {error}"}
        except FleetctlError as error:
            return {"ok": False, "error": str(error)}


@contextmanager
def serving(path: Path, answer: Answer) -> Iterator[None]:
    """Answer requests at ``path``, in threads and one at a time, while inside.

    :param path: in a folder that only this user can enter; the socket has mode 0600.
    :param answer: makes the answer to a request; a FleetctlError becomes an answer, too.
    """
    path.unlink(missing_ok=True)
    with _Server(str(path), answer) as server:
        path.chmod(0o600)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            path.unlink(missing_ok=True)


def ask(path: Path, request: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """Send a request to the process at ``path`` and return its answer.

    :raises LabError: there is no answer within ``timeout_s``, or it is an error.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(os.fspath(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline(MAX_LINE_BYTES))
    except (OSError, ValueError) as error:
        raise LabError(f"the lab's process does not answer at {path}: {error}") from None
    if not answer.pop("ok"):
        raise LabError(answer["error"].rstrip("."))
    return dict(answer)
