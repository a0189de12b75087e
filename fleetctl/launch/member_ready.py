"""Ready conditions that have to be asked for, asked by the node itself: a line in the log, a URL, a
port, a command. They mean what they mean to a controller (``fleetctl/observe/conditions.py``).

Runs on nodes, by python3 3.7 or later. It asks in a process of its own, ``python3 member FOLDER
ask``, which ends with 0 once the condition holds: so no expression, program or server that takes
for ever holds up the member itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fleetctl.logs.tidying import read

REPLY_S = 5.0
"""How long a server or a command may take."""
REPLY_BYTES = 64 * 1024
PIECE = 256 * 1024
LAST_LINE = 64 * 1024
"""How much of an unfinished line is kept, to be searched together with what follows."""
STRAY_S = 60
"""It ends so long after the instance would have to be ready, whatever it hangs in."""


class Asking:
    """Asks whether the attempts of one instance are ready.

    :param ready: ``kind``, ``value``, ``body``, ``interval_s``, ``timeout_s``; of a command
        ``script``.
    """

    def __init__(self, ready: dict[str, Any], folder: Path) -> None:
        self._ready = ready
        self._folder = folder
        self._attempt = -1
        self._child: subprocess.Popen[bytes] | None = None
        self._holds = False

    def holds(self, attempt: int, log_start: int) -> bool:
        """Whether the attempt, whose output begins at ``log_start`` in its log, is ready; once it
        was, it stays so."""
        if attempt != self._attempt:
            self.end()
            self._attempt, self._holds = attempt, False
        if self._holds:
            return True
        if self._child is None:
            argv = [sys.executable, sys.argv[0], str(self._folder), "ask"]
            child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            assert child.stdin
            with contextlib.suppress(OSError), child.stdin as given:
                given.write(json.dumps({**self._ready, "log_start": log_start}).encode())
            self._child = child
        status = self._child.poll()
        if status is not None:
            self._child = None  # one that was ended is asked for again
            self._holds = status == 0
        return self._holds

    def end(self) -> None:
        """Ask no more."""
        child, self._child = self._child, None
        if child:
            child.kill()
            child.wait()


def ask(ready: dict[str, Any], folder: Path) -> None:
    """Return once the condition holds."""
    parent = os.getppid()
    for name in (signal.SIGALRM, signal.SIGHUP, signal.SIGINT):
        signal.signal(name, signal.SIG_DFL)
    signal.alarm(int(ready["timeout_s"]) + STRAY_S)  # also in the midst of an expression
    search = Search(folder / "log", ready["value"], ready["log_start"]) if is_log(ready) else None
    while not (search.found() if search else answers(ready)):
        time.sleep(ready["interval_s"])
        if os.getppid() != parent:
            sys.exit(1)  # what asks for it is gone


def is_log(ready: dict[str, Any]) -> bool:
    return bool(ready["kind"] == "log")


def answers(ready: dict[str, Any]) -> bool:
    """Whether the condition holds now; of any kind but ``log``."""
    if ready["kind"] == "command":
        return succeeds(ready["script"])
    try:
        if ready["kind"] == "connect":
            socket.create_connection((ready["host"], ready["port"]), REPLY_S).close()
            return True
        return good(ready)
    except (OSError, ValueError):  # ValueError: the URL is not ASCII
        return False


def good(ready: dict[str, Any]) -> bool:
    """Whether a GET is answered with 2xx, and a body that matches.

    :raises OSError: there is no answer.
    """
    until = time.monotonic() + REPLY_S
    said = b""
    with socket.create_connection((ready["host"], ready["port"]), REPLY_S) as link:
        link.sendall(ready["request"].encode("ascii"))
        while len(said) < REPLY_BYTES and (ready["body"] or b"\n" not in said):
            left = until - time.monotonic()
            if left <= 0:
                break
            link.settimeout(left)
            try:
                data = link.recv(4096)
            except socket.timeout:  # noqa: UP041 -- for Python 3.7
                break  # what does not end is matched as far as it came in time
            if not data:
                break
            said += data
    if not re.match(rb"HTTP/\d\.\d 2\d\d\b", said):
        return False
    body = said[:REPLY_BYTES].partition(b"\r\n\r\n")[2].decode("utf-8", "replace")
    return not ready["body"] or re.search(ready["body"], body) is not None


def succeeds(script: str) -> bool:
    """Whether a text for sh exits with 0."""
    none = subprocess.DEVNULL
    child = subprocess.Popen(  # by stdin: arguments are in the list of processes
        ["sh"], stdin=subprocess.PIPE, stdout=none, stderr=none, start_new_session=True
    )
    try:
        child.communicate(script.encode("utf-8", "surrogateescape"), REPLY_S)
    except subprocess.TimeoutExpired:
        return False
    else:
        return child.returncode == 0
    finally:
        with contextlib.suppress(OSError):  # it has left nothing behind
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


class Search:
    """Looks for a line in a log, from an offset on."""

    def __init__(self, folder: Path, pattern: str, offset: int) -> None:
        self._folder = folder
        self._pattern = re.compile(pattern)
        self._offset = offset
        self._last_line = b""

    def found(self) -> bool:
        """Whether a line matches of what is new."""
        while True:
            data = self._more()
            *lines, last = (self._last_line + data).split(b"\n")
            if any(map(self._matches, lines)):
                return True
            self._last_line = last[-LAST_LINE:]
            if self._matches(last):
                return True
            if len(data) < PIECE:
                return False

    def _matches(self, line: bytes) -> bool:
        """Of a line that redraws itself, each state counts."""
        return any(self._pattern.search(read(one)) for one in line.rstrip(b"\r").split(b"\r"))

    def _more(self) -> bytes:
        """The next bytes: each segment is called by the offset at which it begins."""
        starts = sorted(int(f.stem) for f in self._folder.glob("*.log") if f.stem.isdigit())
        for start in starts:
            if start > self._offset:
                self._offset, self._last_line = start, b""  # what was before is rotated away
            with contextlib.suppress(OSError), (self._folder / f"{start}.log").open("rb") as file:
                file.seek(self._offset - start)
                data = file.read(PIECE)
                if data:
                    self._offset += len(data)
                    return data
        return b""
