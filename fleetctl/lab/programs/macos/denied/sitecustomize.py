"""Local Network privacy of macOS 15: Python in a Homebrew tmux cannot connect to neighbours.

Python imports this at startup because PYTHONPATH names the folder, which the fault
`local-network-denied` sets for tmux servers. Addresses on the machine's own networks are
unreachable then; its own and routed ones are not.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _is_neighbour(address: Any) -> bool:
    """Whether an address is on a network of this machine, by the real routing table."""
    import subprocess

    host = address[0] if isinstance(address, tuple) and address else ""
    argv = ["/.lab/sbin/ip", "-4", "route", "get", str(host)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return done.returncode == 0 and words[:1] != ["local"] and "via" not in words


class _Refusing:
    def connect(self: Any, address: Any) -> None:
        if self.family == socket.AF_INET and _is_neighbour(address):
            raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
        _connect(self, address)

    def connect_ex(self: Any, address: Any) -> int:
        if self.family == socket.AF_INET and _is_neighbour(address):
            return errno.EHOSTUNREACH
        return _connect_ex(self, address)


setattr(socket.socket, "connect", _Refusing.connect)  # noqa: B010 -- mypy: a method is not assigned
setattr(socket.socket, "connect_ex", _Refusing.connect_ex)  # noqa: B010 -- as above
