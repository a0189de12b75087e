"""Ready conditions that a node asks for by itself mean what they mean to a controller."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetctl.launch import member_ready
from fleetctl.launch.member_ready import PIECE, Search, answers
from fleetctl.observe.asking import http_get

FINE = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nall is well"


@contextmanager
def serving(*parts: bytes, ends: bool = True) -> Iterator[int]:
    """A server that answers one connection so."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            link, _ = server.accept()
            with link:
                link.recv(4096)
                for part in parts:
                    link.sendall(part)
                if not ends:
                    over.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join(20)


def http(port: int, body: str = "") -> bool:
    get = http_get(f"http://127.0.0.1:{port}/health")
    asked = {"host": get.host, "port": get.port, "request": get.request, "body": body}
    return answers({"kind": "http", **asked})


@pytest.mark.parametrize(
    ("said", "body", "well"),
    [
        ([FINE], "", True),
        ([FINE[:5], FINE[5:20], FINE[20:]], "is w", True),
        ([FINE], "^X", False),  # a head is no body
        ([b"HTTP/1.1 503 Busy\r\n\r\nwell"], "well", False),
        ([b"SSH-2.0\r\n"], "", False),
        ([], "", False),
    ],
)
def test_http(said: list[bytes], body: str, well: bool) -> None:
    with serving(*said) as port:
        assert http(port, body) == well


def test_what_does_not_end_is_matched_as_far_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_ready, "REPLY_S", 0.5)
    with serving(FINE, ends=False) as port:
        assert http(port, "well")
    with serving(ends=False) as port:
        assert not http(port)


def test_connect() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        to: dict[str, Any] = {"kind": "connect", "host": "127.0.0.1", "port": one.getsockname()[1]}
        assert not answers(to)
        one.listen()
        assert answers(to)


def test_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers({"kind": "command", "script": "exec true"})
    assert not answers({"kind": "command", "script": "echo no >&2; exit 3"})
    monkeypatch.setattr(member_ready, "REPLY_S", 0.3)
    began_s = time.monotonic()
    assert not answers({"kind": "command", "script": "sleep 1000 & wait"})
    assert time.monotonic() - began_s < 60


def test_a_line_of_the_log_is_found_across_pieces_segments_and_rotation(tmp_path: Path) -> None:
    first = tmp_path / "0.log"
    first.write_bytes(b"up\nbegins\n")
    search = Search(tmp_path, r"^it is up\b", 3)
    assert not search.found()
    with first.open("ab") as file:
        file.write(b"x" * PIECE + b"\nit is ")
    assert not search.found()
    end = first.stat().st_size
    (tmp_path / f"{end}.log").write_bytes(b"\x1b[32mup\x1b[0m now\r\n")
    assert search.found()

    again = Search(tmp_path, "^later$", 3)
    assert not again.found()
    first.unlink()
    (tmp_path / f"{end}.log").unlink()
    (tmp_path / f"{end + 500}.log").write_bytes(b"1%\rlater\r100%")  # and what was before is lost
    assert again.found()


def test_an_unfinished_line_counts_and_the_output_of_earlier_attempts_does_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "0.log").write_bytes(b"ready\nagain\nnot re")
    assert not Search(tmp_path, "^ready$", 6).found()
    assert Search(tmp_path, "not re$", 6).found()
