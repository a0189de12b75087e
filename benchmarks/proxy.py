"""A TCP proxy before an SSH server, whose connections can be cut, and which counts them."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset (socket(7))."""


class _Connection:
    """Two sockets, and a thread for each direction."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self._ends = near, far
        self.frozen = False
        self.open = True
        for ends in ((near, far), (far, near)):
            threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if not self.frozen:
                    sink.sendall(data)
        self.close()

    def close(self, *, reset: bool = False) -> None:
        self.open = False
        for end in self._ends:
            with suppress(OSError):
                if reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)
        for end in self._ends:
            with suppress(OSError):
                end.close()


class Proxy:
    """Passes on what comes to ``near`` to ``far`` of the same port; a context manager."""

    def __init__(self, near: str, far: str, port: int) -> None:
        self.near, self.far, self.port = near, far, port
        self.accepted = 0
        """How many connections were made so far."""
        self.refusing = False
        self._lock = threading.Lock()
        self._open: list[_Connection] = []
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind((near, port))
        self._listening.listen(64)

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, _t: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                if self.refusing:
                    raise ConnectionRefusedError
                far = socket.create_connection((self.far, self.port), timeout=10)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open = [one for one in self._open if one.open]
                self._open.append(_Connection(near, far))

    def cut(self) -> int:
        """Reset all connections; how many there were."""
        with self._lock:
            found, self._open = [one for one in self._open if one.open], []
        for one in found:
            one.close(reset=True)
        return len(found)

    def freeze(self) -> int:
        """Let all packets of the present connections vanish; how many there were."""
        with self._lock:
            found = [one for one in self._open if one.open and not one.frozen]
        for one in found:
            one.frozen = True
        return len(found)
