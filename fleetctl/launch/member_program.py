"""An instance as a member of its job: run on its node by python3, 3.7 or later, behind deciding.py,
member_wire.py, logs/tidying.py, member_ready.py and member_state.py.

    python3 member FOLDER SUPERVISOR     FOLDER: the instance's; SUPERVISOR: its process id
    python3 member FOLDER ask            see member_ready.py

Stdin is a JSON object, its part (membership.py). It leaves its supervisor's session, and goes on
beside it: it tells the decider what the instance is, and does what that says. FOLDER/member.pid has
its "PID START". USR1 ends it, and tells the others that it leaves; any other end is silence. While
it is not in touch with the others, or after it crashed, FOLDER/apart has "RUN WHY".

The member of the first instance has the decider in it, and listens for the others.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from fleetctl.launch.deciding import OUT, Decider
from fleetctl.launch.member_ready import ask
from fleetctl.launch.member_state import Member, birth
from fleetctl.launch.member_wire import Wire

TICK_S = 0.25
BEAT_S = 2.0
"""Between two messages in which nothing is new."""
HELLO_S = 5.0
APART_S = 10.0
"""So long without an answer, and a member is not in touch."""
STRANGERS = 8
"""Connections that have not shown yet that they know the token."""


class Leave(Exception):
    """A user stops the instance, or starts it anew."""


class Alone:
    """A member that is not the first: it tells the decider, and is told."""

    def __init__(self, part: dict[str, Any], member: Member) -> None:
        self._part = part
        self._member = member
        self._wire: Wire | None = None
        self._tried_s = -BEAT_S
        self._heard_s: float | None = None
        self._report: dict[str, Any] = {}
        self._answered = False
        self._apart_s = time.monotonic()
        self._obstacle = ""

    def apart(self, now: float) -> str:
        """Why it is not in touch with the first one; empty: it is, or was a moment ago."""
        if self._heard_s is not None:
            self._apart_s = self._heard_s
        if now - self._apart_s < APART_S:
            return ""
        return f"not in touch with {self._part['first']}: {self._obstacle or 'no answer'}"

    def sockets(self) -> list[socket.socket]:
        return [self._wire.link] if self._wire else []

    def turn(self, now: float) -> bool:
        """Talk, where there is something to say or to hear; whether all is said."""
        report = self._member.report(now)
        try:
            self._talk(report, now)
        except (OSError, ValueError) as error:
            self._obstacle = getattr(error, "strerror", None) or str(error)
            self._drop()
        silent_s = self._part["silent_s"]
        if self._heard_s is not None and now - self._heard_s > silent_s:
            why = f"{self._part['first']} was not heard of for {silent_s:g} s"
            self._member.word = {**self._member.word, "word": "end", "why": why}
        over = report["state"] in OUT
        lost = self._heard_s is None or now - self._heard_s > silent_s
        return over and (self._answered or lost)

    def _drop(self) -> None:
        if self._wire:
            self._wire.link.close()
        self._wire = None

    def _talk(self, report: dict[str, Any], now: float) -> None:
        if self._wire is None:
            if now - self._tried_s < BEAT_S:
                return
            self._tried_s = now
            link = socket.create_connection((self._part["address"], self._part["port"]), BEAT_S)
            self._wire = Wire(link, self._part["token"].encode(), "m", now)
            self._report = {}
        wire = self._wire
        if select.select([wire.link], [], [], 0)[0]:
            for word in wire.read():
                leaves = word.pop("leaves", False)
                self._heard_s = None if leaves else now
                self._member.word = word
                self._answered = self._report.get("state") == report["state"]
                if leaves:
                    raise ConnectionError("the first leaves")
        elif now - max(wire.began_s, self._heard_s or 0.0) > 3 * BEAT_S:
            raise ConnectionError("it may be half open")
        if wire.open and (report != self._report or now - wire.sent_s > BEAT_S):
            wire.send({"name": self._part["name"], **report}, now)
            self._report = report

    def leave(self, now: float) -> None:
        if self._wire and self._wire.open:
            left = {"state": "left", "why": "", "lasting": False, "round": 0}
            self._wire.send({"name": self._part["name"], **left}, now)


class First:
    """The member that decides."""

    def __init__(self, part: dict[str, Any], member: Member) -> None:
        self._part = part
        self._member = member
        self._decider = Decider(
            part["rule"], part["members"], part["silent_s"], part["most"], part["within_s"]
        )
        self._server: socket.socket | None = None
        self._tried_s = -BEAT_S
        self._wires: list[Wire] = []
        self._said: dict[str, dict[str, Any]] = {}
        self._over_s: float | None = None
        self._obstacle = ""

    def apart(self, now: float) -> str:
        """Why the others cannot reach it; empty: they can."""
        return self._obstacle

    def sockets(self) -> list[socket.socket]:
        servers = [self._server] if self._server else []
        return servers + [wire.link for wire in self._wires]

    def turn(self, now: float) -> bool:
        """Hear, decide and tell; whether nothing is left to decide."""
        self._listen(now)
        for wire in list(self._wires):
            try:
                if wire in self._wires:  # else a newer one has taken its place
                    self._hear(wire, now)
            except (OSError, ValueError, KeyError, TypeError):
                self._drop(wire)
        self._decider.hear(self._part["name"], self._member.report(now), now)
        self._decider.tick(now)
        for wire in list(self._wires):
            try:
                self._tell(wire, now)
            except OSError:
                self._drop(wire)
        self._member.word = self._decider.word(self._part["name"])
        if not self._decider.over():
            self._over_s = None
        elif self._over_s is None:
            self._over_s = now
        return self._over_s is not None and now - self._over_s > 2 * BEAT_S

    def _listen(self, now: float) -> None:
        if self._server is None:
            if now - self._tried_s < BEAT_S:
                return
            self._tried_s = now
            server = socket.socket()
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                server.bind((self._part["address"], self._part["port"]))
                server.listen(16)
            except OSError as error:
                server.close()
                self._obstacle = f"cannot listen on {self._part['address']}: {error.strerror}"
                return
            server.setblocking(False)
            self._server, self._obstacle = server, ""
        while select.select([self._server], [], [], 0)[0]:
            try:
                link = self._server.accept()[0]
                if sum(not wire.name for wire in self._wires) < STRANGERS:
                    self._wires.append(Wire(link, self._part["token"].encode(), "d", now))
                else:
                    link.close()
            except OSError:
                return

    def _drop(self, wire: Wire) -> None:
        wire.link.close()
        self._wires = [other for other in self._wires if other is not wire]

    def _hear(self, wire: Wire, now: float) -> None:
        if select.select([wire.link], [], [], 0)[0]:
            for report in wire.read():
                name = report["name"]
                if not wire.name:
                    for other in [w for w in self._wires if w.name == name]:
                        self._drop(other)
                    wire.name = name
                self._decider.hear(name, report, now)
                self._said.pop(name, None)  # each report is answered
        elif not wire.name and now - wire.began_s > HELLO_S:
            raise ConnectionError("it does not say which it is")

    def _tell(self, wire: Wire, now: float) -> None:
        if not wire.name:
            return
        word = self._decider.word(wire.name)
        if self._said.get(wire.name) != word or now - wire.sent_s > BEAT_S:
            wire.send(word, now)
            self._said[wire.name] = word

    def leave(self, now: float) -> None:
        for wire in self._wires:
            if wire.name:
                wire.send({**self._decider.word(wire.name), "leaves": True}, now)


def run(part: dict[str, Any], folder: Path, supervisor: int) -> None:
    """To the end of the instance, or of the job where it decides.

    :raises Leave: it is to end at once; the others were told.
    """
    member = Member(part, folder, supervisor)
    mine = folder / "member.pid"
    own = f"{os.getpid()} {birth(os.getpid())}\n"
    mine.write_text(own)
    decides = part["name"] == part["first"]
    side: Alone | First = First(part, member) if decides else Alone(part, member)
    try:
        while True:
            select.select(side.sockets(), [], [], TICK_S)
            if not mine.exists() or mine.read_text() != own:
                return  # another one has taken its place
            now = time.monotonic()
            if side.turn(now):
                return
            member.act(now)
            member.note_apart(side.apart(now))
    except Leave:
        with contextlib.suppress(OSError):
            side.leave(time.monotonic())
        raise
    finally:
        member.close()


def leave(*_: object) -> None:
    raise Leave


def main() -> None:
    part = json.loads(sys.stdin.read())
    if sys.argv[2] == "ask":
        ask(part, Path(sys.argv[1]))
        return
    if os.fork():
        os._exit(0)
    os.setsid()  # it outlives the supervisor, whose end it tells, and is no part of its run
    signal.signal(signal.SIGUSR1, leave)
    for name in (signal.SIGHUP, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    os.umask(0o077)
    folder = Path(sys.argv[1])
    try:
        run(part, folder, int(sys.argv[2]))
    except Leave:
        pass
    except Exception as error:
        why = f"the program beside it ended: {type(error).__name__}: {error}"
        (folder / "apart").write_text(f"{part['run']} {' '.join(why.split())[:200]}\n")
        raise


if __name__ == "__main__":
    main()
