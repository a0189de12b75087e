"""The server: has the weights, sends them, and applies gradients as they come.

Workers may join and leave at any time. Each connection has a thread of its own and a deadline on
every read and write, so that a silent or broken client delays no other.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import threading
import time
from types import TracebackType

from log import log
from model import SIZE, UNTRAINED_LOSS, Adagrad
from wire import WireError, number_of, receive, send, text_of, whole_of

HELLO_TIMEOUT_S = 5.0
IDLE_TIMEOUT_S = 30.0
"""A worker that sends nothing for this long is lost, as when its node has no power."""
FAREWELL_S = 5.0
"""How long after the last step workers can still ask, and are told that it is done."""
MAX_CLIENTS = 64
MEMORY = 0.98
"""The loss shown is a running mean; each new value has the weight 1/50."""


class Worker:
    """A worker that has joined."""

    def __init__(self, sock: socket.socket, rank: int, node: str) -> None:
        self.sock = sock
        self.rank = rank
        self.node = node
        self.pushes = 0

    def __str__(self) -> str:
        return f"worker {self.rank} on {self.node}"


class Server:
    """One training run.

    :param listen: the one address and port to listen on.
    :param steps: end after this many; ``None``: run until stopped.
    :param log_every: gradients per log line, for each worker.
    """

    def __init__(self, listen: tuple[str, int], steps: int | None, log_every: int) -> None:
        self._listen = listen
        self._steps = steps
        self._log_every = log_every
        self._wakeup = Wakeup()
        self._closing = False
        self._lock = threading.Lock()  # guards everything below
        self._model = Adagrad(seed=1)
        self._step = 0
        self._loss = UNTRAINED_LOSS
        self._workers: dict[int, Worker] = {}
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._done_since: float | None = None

    def run(self) -> int:
        """Serve until the last step or a signal; returns the exit code.

        :raises OSError: the address cannot be listened on.
        """
        with self._wakeup, socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self._listen)
            listener.listen()
            listener.setblocking(False)
            log(f"listening on {_shown(listener.getsockname())}, {SIZE} weights")
            while not self._over():
                ready, _, _ = select.select([listener, self._wakeup.reader], [], [], 0.5)
                self._wakeup.drain()
                if listener in ready:
                    self._accept(listener)
        why = f"stopped by {self._wakeup.signal}" if self._wakeup.signal else "done"
        self._hang_up()
        log(f"{why} at step {self._step} loss {self._loss:.3f}")
        return 0

    def _over(self) -> bool:
        with self._lock:
            if self._wakeup.signal:
                return True
            if self._done_since is None:
                return False
            return not self._workers or time.monotonic() > self._done_since + FAREWELL_S

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, address = listener.accept()
        except OSError as error:  # the client left again, or no file descriptor is free
            log(f"accepting a connection failed: {error.strerror}")
            return
        if len(self._clients) >= MAX_CLIENTS:
            log(f"client {_shown(address)} turned away: {MAX_CLIENTS} are connected")
            sock.close()
            return
        thread = threading.Thread(target=self._serve, args=(sock, address), daemon=True)
        with self._lock:
            self._clients[sock] = thread
        thread.start()

    def _serve(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """One connection, from hello to the end; the body of its thread."""
        worker, reason = None, ""
        try:
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                worker = self._welcome(sock, address)
                while self._answer(worker):
                    pass
        except WireError as error:
            reason = str(error)
        finally:
            with self._lock:
                del self._clients[sock]
                if worker and self._workers.get(worker.rank) is worker:
                    del self._workers[worker.rank]
            self._wakeup.wake()
        if reason and not self._closing:
            what = f"{worker} lost" if worker else f"client {_shown(address)} dropped"
            log(f"{what}: {reason}")

    def _welcome(self, sock: socket.socket, address: tuple[str, int]) -> Worker:
        hello, _ = receive(sock, HELLO_TIMEOUT_S)
        if hello.get("kind") != "hello":
            raise WireError("malformed frame: no hello")
        worker = Worker(sock, whole_of(hello, "rank"), text_of(hello, "node"))
        with self._lock:
            before = self._workers.get(worker.rank)
            reason = None
            if whole_of(hello, "weights") != SIZE:
                reason = f"its model is another one: {hello['weights']} weights, not {SIZE}"
            elif before and before.node != worker.node:
                reason = f"{before} is here already"
            else:
                self._workers[worker.rank] = worker
            ranks = " ".join(map(str, sorted(self._workers)))
        if reason:
            send(sock, {"kind": "refused", "reason": reason}, [], IDLE_TIMEOUT_S)
            raise WireError(f"{worker} was refused, {reason}")
        if before:  # its old connection was lost without a close, as when its node has no power
            _shut(before.sock)
        log(f"{worker} joined from {_shown(address)}; ranks here: {ranks}")
        send(sock, {"kind": "welcome"}, [], IDLE_TIMEOUT_S)
        return worker

    def _answer(self, worker: Worker) -> bool:
        """Answer one request of a worker; false once it was told that the run is done."""
        message, gradient = receive(worker.sock, IDLE_TIMEOUT_S)
        kind = message.get("kind")
        if kind == "pull":
            answer, numbers = self._pull(worker)
        elif kind == "push":
            answer, numbers = self._push(worker, message, gradient)
        else:
            raise WireError("malformed frame: neither pull nor push")
        send(worker.sock, answer, numbers, IDLE_TIMEOUT_S)
        return answer["kind"] != "done"

    def _pull(self, worker: Worker) -> tuple[dict[str, object], list[float]]:
        """The weights, and which part of the text is this worker's among those here now."""
        with self._lock:
            if self._done_since is not None:
                return self._done(), []
            before = sum(rank < worker.rank for rank in self._workers)
            shards = max(len(self._workers), before + 1)
            answer = {"kind": "weights", "step": self._step, "shard": before, "shards": shards}
            return answer, self._model.weights

    def _push(
        self, worker: Worker, message: dict[str, object], gradient: list[float]
    ) -> tuple[dict[str, object], list[float]]:
        pulled, loss = whole_of(message, "step"), number_of(message, "loss")
        if len(gradient) != SIZE:
            raise WireError(f"malformed frame: a gradient of {len(gradient)} numbers")
        with self._lock:
            if self._done_since is not None:
                return self._done(), []
            if pulled > self._step:
                raise WireError(f"malformed frame: step {pulled} is still to come")
            self._model.apply(gradient, staleness=self._step - pulled)
            self._step += 1
            self._loss = MEMORY * self._loss + (1 - MEMORY) * loss
            line = f"step {self._step} loss {self._loss:.3f} rank {worker.rank}"
            if self._step == self._steps:
                self._done_since = time.monotonic()
            over = self._done_since is not None
            answer = self._done() if over else {"kind": "taken", "step": self._step}
        worker.pushes += 1
        if worker.pushes % self._log_every == 0:
            log(line)
        return answer, []

    def _done(self) -> dict[str, object]:
        return {"kind": "done", "step": self._step}

    def _hang_up(self) -> None:
        self._closing = True
        with self._lock:
            clients = list(self._clients.items())
        for sock, _ in clients:
            _shut(sock)
        deadline = time.monotonic() + 0.5
        for _, thread in clients:
            thread.join(max(deadline - time.monotonic(), 0))


class Wakeup:
    """Interrupts the wait for connections: on SIGINT, SIGTERM, or from a thread."""

    signal: str | None = None
    """Name of the signal that arrived."""

    def __enter__(self) -> Wakeup:
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(-1)
        self.reader.close()
        self._writer.close()

    def wake(self) -> None:
        # Full: it wakes anyway. Closed: the wait is over.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.reader.recv(4096):
                pass

    def _note(self, number: int, frame: object) -> None:
        self.signal = signal.Signals(number).name


def _shown(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


def _shut(sock: socket.socket) -> None:
    """End a connection; the thread that reads from it wakes up and closes it."""
    with contextlib.suppress(OSError):  # it may be gone already
        sock.shutdown(socket.SHUT_RDWR)
