"""A worker: pulls the weights, computes a gradient on its part of the text, pushes it; repeats."""

from __future__ import annotations

import random
import signal
import socket
import time
from pathlib import Path

from log import log
from model import SIZE, batch, loss_and_gradient, read_text, shard
from wire import WireError, receive, send, text_of, whole_of

BATCH = 32
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 15.0
FIRST_DELAY_S = 0.5
MAX_DELAY_S = 5.0


class Stopped(BaseException):
    """SIGINT or SIGTERM arrived; the text is its name."""


class Worker:
    """One worker of a training run.

    :param server: the address of the server.
    :param pause_s: pause after each step.
    :param patience_s: give up after this time without a server.
    :param log_every: steps per log line.
    """

    def __init__(
        self,
        rank: int,
        node: str,
        server: tuple[str, int],
        pause_s: float,
        patience_s: float,
        log_every: int,
    ) -> None:
        self._rank = rank
        self._node = node
        self._server = server
        self._pause_s = pause_s
        self._patience_s = patience_s
        self._log_every = log_every
        self._text = read_text(Path(__file__).with_name("corpus.txt"))
        self._dice = random.Random()
        self._losses: list[float] = []
        self._last = "before the first step"
        self._served_at = time.monotonic()

    def run(self) -> int:
        """Train until the server says done, or a signal comes; returns the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        try:
            done = self._stay_connected()
        except Stopped as stop:
            log(f"rank {self._rank} stopped by {stop}, {self._last}")
            return 0
        log(f"rank {self._rank} {'done' if done else 'gives up'}, {self._last}")
        return 0 if done else 1

    def _stay_connected(self) -> bool:
        """Connect, train, and connect again after an error; true at the end of the run."""
        where = f"{self._server[0]}:{self._server[1]}"
        delay_s = FIRST_DELAY_S
        while True:
            began = time.monotonic()
            try:
                self._train(where)
            except WireError as error:
                reason = str(error)
            except OSError as error:
                reason = error.strerror or str(error)
            else:
                return True
            if self._served_at > began:
                delay_s = FIRST_DELAY_S
            if time.monotonic() - self._served_at > self._patience_s:
                log(f"no server at {where} for {self._patience_s:g} s: {reason}")
                return False
            log(f"server {where}: {reason}; trying again in {delay_s:.1f} s")
            time.sleep(delay_s)
            delay_s = min(delay_s * 1.6, MAX_DELAY_S)

    def _train(self, where: str) -> None:
        """One connection; returns once the server says that the run is done.

        :raises WireError: the server is gone, or not a server of this example.
        :raises OSError: it cannot be connected to.
        """
        with socket.create_connection(self._server, CONNECT_TIMEOUT_S) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._say_hello(sock, where)
            while self._step(sock):
                time.sleep(self._pause_s)

    def _say_hello(self, sock: socket.socket, where: str) -> None:
        hello = {"kind": "hello", "rank": self._rank, "node": self._node, "weights": SIZE}
        send(sock, hello, [], ANSWER_TIMEOUT_S)
        answer, _ = receive(sock, ANSWER_TIMEOUT_S)
        if answer.get("kind") == "refused":
            raise WireError(f"refuses this worker: {text_of(answer, 'reason')}")
        if answer.get("kind") != "welcome":
            raise WireError("malformed frame: no welcome")
        log(f"rank {self._rank} connected to {where}")

    def _step(self, sock: socket.socket) -> bool:
        """One step; false once the server says that the run is done."""
        answer, weights = self._ask(sock, {"kind": "pull"}, [], "weights")
        if answer["kind"] == "done":
            return False
        if len(weights) != SIZE:
            raise WireError(f"malformed frame: {len(weights)} weights, not {SIZE}")
        part = shard(self._text, whole_of(answer, "shard"), max(whole_of(answer, "shards"), 1))
        loss, gradient = loss_and_gradient(weights, batch(part, BATCH, self._dice))
        push: dict[str, object] = {"kind": "push", "step": answer["step"], "loss": loss}
        answer, _ = self._ask(sock, push, gradient, "taken")
        self._note(whole_of(answer, "step"), loss)
        return answer["kind"] != "done"

    def _ask(
        self, sock: socket.socket, message: dict[str, object], numbers: list[float], expected: str
    ) -> tuple[dict[str, object], list[float]]:
        send(sock, message, numbers, ANSWER_TIMEOUT_S)
        answer, answered = receive(sock, ANSWER_TIMEOUT_S)
        if answer.get("kind") not in (expected, "done"):
            raise WireError(f"malformed frame: neither {expected} nor done")
        self._served_at = time.monotonic()
        return answer, answered

    def _note(self, step: int, loss: float) -> None:
        self._losses.append(loss)
        mean = sum(self._losses) / len(self._losses)
        self._last = f"step {step} loss {mean:.3f}"
        if len(self._losses) == self._log_every:
            self._losses.clear()
            log(f"{self._last} rank {self._rank}")


def _stop(number: int, _frame: object) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(signal.Signals(number).name)
