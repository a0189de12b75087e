"""The example's server and workers, as real processes on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.waiting import patient

EXAMPLE = Path(__file__).parents[2] / "examples" / "elastic"
LINE = re.compile(r"step (\d+) loss ([\d.]+) rank (\d+)$")


class Program:
    """One process of the example, and what it has printed so far."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "train.py", *arguments],
            cwd=EXAMPLE,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def wait_for(
        self, wanted: Callable[[list[str]], bool], timeout_s: float = 20, what: str = "that"
    ) -> None:
        with self._news:
            if not self._news.wait_for(lambda: wanted(self.lines), patient(timeout_s)):
                raise AssertionError(
                    f"no {what} within {timeout_s} s in:\n" + "\n".join(self.lines)
                )

    def wait_for_line(self, pattern: str, after: int = 0, timeout_s: float = 20) -> str:
        found = re.compile(pattern)
        self.wait_for(lambda lines: any(map(found.search, lines[after:])), timeout_s, pattern)
        return next(line for line in self.lines[after:] if found.search(line))

    def steps(self) -> list[tuple[int, float, int]]:
        """Step, loss and rank of each such line."""
        matches = [m for m in map(LINE.search, list(self.lines)) if m]
        return [(int(m[1]), float(m[2]), int(m[3])) for m in matches]

    def exit_code(self, timeout_s: float = 20) -> int:
        code = self.process.wait(patient(timeout_s))
        self._reader.join(5)
        return code


def server(where: str, *options: str) -> Program:
    return Program("server", "here", "--algorithm", "edp", "--listen", where, *options)


def worker(rank: int, where: str, *options: str, node: str = "here") -> Program:
    fast = ("--pause", "0.01", "--log-every", "5")
    return Program(
        "worker", str(rank), node, "--algorithm", "edp", "--server", where, *fast, *options
    )


def endpoint(where: str) -> tuple[str, int]:
    host, port = where.split(":")
    return host, int(port)


@pytest.fixture
def where() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def running(where: str) -> Iterator[Program]:
    with server(where) as program:
        program.wait_for_line("listening on")
        yield program


def test_loss_falls_and_the_run_ends(where: str) -> None:
    with server(where, "--steps", "300") as s, worker(1, where) as w1, worker(2, where) as w2:
        assert s.exit_code(60) == 0
        assert w1.exit_code() == 0
        assert w2.exit_code() == 0
    losses = [loss for _, loss, _ in s.steps()]
    assert losses[0] > 3
    assert losses[-1] < 2.6
    assert {rank for _, _, rank in s.steps()} == {1, 2}
    assert "done at step 300" in s.lines[-1]
    for program, rank in ((w1, 1), (w2, 2)):
        own = program.steps()
        assert {r for _, _, r in own} == {rank}
        assert own[-1][1] < own[0][1] - 0.2
        assert f"rank {rank} done" in program.lines[-1]


def test_workers_may_be_there_first(where: str) -> None:
    with worker(1, where) as w:
        w.wait_for_line(re.escape(f"server {where}: Connection refused; trying again in"))
        with server(where) as s:
            w.wait_for_line("rank 1 connected")
            s.wait_for(lambda _: bool(s.steps()))


def test_a_killed_worker_is_lost_and_may_return(running: Program, where: str) -> None:
    with worker(1, where), worker(2, where) as w2:
        running.wait_for_line("ranks here: 1 2|ranks here: 2 1")
        w2.process.kill()
        running.wait_for_line("worker 2 on here lost: ")
        seen = len(running.lines)
        running.wait_for_line("rank 1$", after=seen)
        with worker(2, where):
            running.wait_for_line("worker 2 on here joined", after=seen)
            running.wait_for_line("rank 2$", after=seen)
        step, loss, _ = running.steps()[-1]
        assert step > running.steps()[0][0]
        assert loss < running.steps()[0][1]


def test_workers_go_on_with_a_server_that_came_back(where: str) -> None:
    with worker(1, where) as w:
        with server(where) as first:
            w.wait_for(lambda _: bool(w.steps()))
            first.process.kill()
            w.wait_for_line("trying again")
            seen = len(w.lines)
        with server(where) as second:
            w.wait_for_line("rank 1 connected", after=seen)
            second.wait_for(lambda _: bool(second.steps()))


def test_a_returning_worker_replaces_its_dead_connection(running: Program, where: str) -> None:
    """After a loss of power the old connection looks alive to the server, and keeps the rank."""
    with socket.create_connection(endpoint(where)) as old:
        say_hello(old, rank=4, node="pi4")
        assert answer(old) == {"kind": "welcome"}
        with worker(4, where, node="pi4"):
            running.wait_for_line("rank 4$")
            old.settimeout(5)
            assert old.recv(1) == b""


def test_another_node_does_not_take_a_rank(running: Program, where: str) -> None:
    with worker(1, where, node="mini2"):
        running.wait_for_line("worker 1 on mini2 joined")
        with worker(1, where, node="mini3") as other:
            other.wait_for_line("refuses this worker: worker 1 on mini2 is here already")
        seen = len(running.lines)
        running.wait_for_line("rank 1$", after=seen)


def test_the_text_is_shared_among_the_workers_that_are_here(running: Program, where: str) -> None:
    with socket.create_connection(endpoint(where)) as one:
        say_hello(one, rank=7)
        answer(one)
        assert pull(one)["shard"] == 0
        assert pull(one)["shards"] == 1
        with socket.create_connection(endpoint(where)) as two:
            say_hello(two, rank=3)
            answer(two)
            first, second = pull(two), pull(one)
            assert (first["shard"], first["shards"]) == (0, 2)
            assert (second["shard"], second["shards"]) == (1, 2)
        running.wait_for_line("worker 3 on here lost")
        assert pull(one)["shards"] == 1


def test_silent_clients_delay_no_other(running: Program, where: str) -> None:
    silent = [socket.create_connection(endpoint(where)) for _ in range(10)]
    try:
        silent[0].sendall(b"EDP1\0")  # a frame that is never completed
        with worker(1, where):
            running.wait_for(lambda _: len(running.steps()) >= 3)
        assert not any("dropped" in line for line in running.lines)  # their time was not over
        running.wait_for_line(r"client 127\.0\.0\.1:\d+ dropped: silent for 5 s")
    finally:
        for sock in silent:
            sock.close()


def frame(body: bytes, numbers: bytes = b"", mark: bytes = b"EDP1") -> bytes:
    return struct.pack("!4sII", mark, len(body), len(numbers)) + body + numbers


def say_hello(sock: socket.socket, rank: int, node: str = "here") -> None:
    hello = {"kind": "hello", "rank": rank, "node": node, "weights": 1854}
    sock.sendall(frame(json.dumps(hello).encode()))


def answer(sock: socket.socket) -> dict[str, object]:
    sock.settimeout(5)
    stream = sock.makefile("rb")
    _, text_bytes, numbers_bytes = struct.unpack("!4sII", stream.read(12))
    message = json.loads(stream.read(text_bytes))
    stream.read(numbers_bytes)
    assert isinstance(message, dict)
    return message


def pull(sock: socket.socket) -> dict[str, object]:
    sock.sendall(frame(b'{"kind": "pull"}'))
    return answer(sock)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "does not begin with EDP1"),
        (struct.pack("!4sII", b"EDP1", 0xFFFFFFFF, 0), "lengths 4294967295 and 0"),
        (struct.pack("!4sII", b"EDP1", 2, 0xFFFFFFFC), "lengths 2 and 4294967292"),
        (frame(b"{}", b"abc"), "lengths 2 and 3"),
        (frame(b"{"), "not JSON"),
        (frame(b"\xff\xfe"), "not JSON"),
        (frame(b"[" * 4000), "not JSON"),
        (frame(b"[]"), "not a JSON object"),
        (frame(b"{}"), "no hello"),
        (frame(b'{"kind": "pull"}'), "no hello"),
        (frame(b'{"kind": "hello", "rank": true, "node": "x"}'), "rank is no whole number"),
        (frame(b'{"kind": "hello", "rank": 1, "node": "a\\nb"}'), "node is no short text"),
        (frame(b'{"kind": "hello", "rank": 1, "node": "x", "weights": 5}'), "another one"),
        (frame(b"{}", struct.pack("<f", float("nan"))), "not finite"),
    ],
)
def test_a_malformed_hello_drops_the_client(
    running: Program, where: str, data: bytes, reason: str
) -> None:
    with socket.create_connection(endpoint(where)) as sock:
        sock.sendall(data)
        assert reason in running.wait_for_line(r"client 127\.0\.0\.1:\d+ dropped: ")
    with worker(1, where):
        running.wait_for_line("rank 1$")
    assert not any("Traceback" in line for line in running.lines)


@pytest.mark.parametrize(
    ("message", "count", "reason"),
    [
        ({"kind": "push", "step": 0, "loss": 1.0}, 3, "a gradient of 3 numbers"),
        ({"kind": "push", "step": 9, "loss": 1.0}, 1854, "step 9 is still to come"),
        ({"kind": "push", "step": 0, "loss": float("nan")}, 1854, "loss is no number"),
        ({"kind": "push", "loss": 1.0}, 1854, "step is no whole number"),
        ({"kind": "sing"}, 0, "neither pull nor push"),
    ],
)
def test_a_malformed_request_drops_the_worker(
    running: Program, where: str, message: dict[str, object], count: int, reason: str
) -> None:
    with socket.create_connection(endpoint(where)) as sock:
        say_hello(sock, rank=5)
        answer(sock)
        sock.sendall(frame(json.dumps(message).encode(), struct.pack(f"<{count}f", *[0.0] * count)))
        assert reason in running.wait_for_line("worker 5 on here lost: ")


def test_the_server_listens_on_exactly_one_address(running: Program, where: str) -> None:
    listening = [
        connection.laddr
        for connection in psutil.Process(running.process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert [f"{address.ip}:{address.port}" for address in listening] == [where]


@pytest.mark.parametrize("wide", ["0.0.0.0:65432", ":65432", "65432", "127.0.0.1:0"])
def test_the_server_takes_one_address_only(wide: str) -> None:
    with server(wide) as s:
        assert s.exit_code() == 2


def test_an_address_that_cannot_be_listened_on_is_named(running: Program, where: str) -> None:
    with server(where) as second:
        assert second.exit_code() == 1
        assert f"cannot listen on {where}: Address already in use" in second.lines[-1]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signals_end_both_sides_at_once(where: str, name: str) -> None:
    number = signal.Signals[name]
    with server(where) as s, worker(1, where, "--pause", "10") as w:
        s.wait_for_line("joined")
        with socket.create_connection(endpoint(where)):  # a silent client as well
            began = time.monotonic()
            w.process.send_signal(number)
            assert w.exit_code() == 0
            s.process.send_signal(number)
            assert s.exit_code() == 0
            assert time.monotonic() - began < 1
    assert re.search(rf"rank 1 stopped by {name}, .*", w.lines[-1])
    assert re.search(rf"stopped by {name} at step \d+ loss [\d.]+$", s.lines[-1])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(endpoint(where))


def test_a_stopped_server_can_start_again_at_once(where: str) -> None:
    with server(where) as first:
        first.wait_for_line("listening on")
        with socket.create_connection(endpoint(where)) as client:
            say_hello(client, rank=1)
            answer(client)
            first.process.terminate()
            assert first.exit_code() == 0
            assert client.recv(1) == b""  # the server hung up: its side of the address lingers
    with server(where) as second:
        second.wait_for_line("listening on", timeout_s=5)


def test_a_worker_gives_up_when_no_server_ever_comes(where: str) -> None:
    with worker(1, where, "--patience", "0.4") as w:
        assert w.exit_code() == 1
        assert f"no server at {where} for 0.4 s: Connection refused" in "\n".join(w.lines)


def test_the_environment_names_address_and_instance(where: str) -> None:
    names = {"FLEET": "f", "JOB": "edp", "SERVICE": "server", "NODE": "mini1", "RANK": "1"}
    env = {f"FLEETCTL_{key}": value for key, value in names.items()}
    env |= {"FLEETCTL_WORLD_SIZE": "1", "SMOL_SERVER": where}
    with Program("server", "mini1", env=env) as s:
        s.wait_for_line(re.escape(f"listening on {where}"))
        assert "started by fleetctl as server@mini1 of f (job edp, 1 of 1)" in s.lines[0]
