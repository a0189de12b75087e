"""An instance as its supervisor records it, and what its job wants of it: runs on nodes.

It reads FOLDER/state. It tells the supervisor by signals, and by FOLDER/told: "RUN RESTARTS WORD
WHY".
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from fleetctl.launch.member_ready import Asking

ASK_S = 2.0
"""Between two looks whether the supervisor's process is still the same."""
KILLED_S = 5.0
"""How long it is waited for what was killed to end."""


class Member:
    """The instance, by its supervisor's record."""

    def __init__(self, part: dict[str, Any], folder: Path, supervisor: int) -> None:
        self._part = part
        self._folder = folder
        self._supervisor = supervisor
        self._born = birth(supervisor)
        self.word: dict[str, Any] = {"word": "keep", "round": 0, "why": ""}
        self._went = -1  # the attempt after which it was told to begin again
        self._attempt = -1
        self._since = 0.0
        self._told = ""
        self._apart = ""
        self._until = 0.0  # until then its processes have time to end
        self._over_s = 0.0  # from then on nothing more is tried
        self._cleared = -1  # the attempt of which nothing is left
        self._asked_s = 0.0
        self._lives = True
        asked = part["ready"]["kind"] in ("log", "http", "connect", "command")
        self._asking = Asking(part["ready"], folder) if asked else None
        self._noted = -1  # the attempt of which it is noted that it is ready

    def _record(self) -> dict[str, str]:
        try:
            lines = (self._folder / "state").read_text(errors="replace").splitlines()
        except OSError:
            return {}
        record = dict(line.split("=", 1) for line in lines if "=" in line)
        return record if record.get("run") == self._part["run"] else {}

    def report(self, now: float) -> dict[str, Any]:
        """What the decider is told of it."""
        record = self._record()
        state, why, lasting = self._state(record, now)
        number = self.word["round"]
        return {"state": state, "why": why, "lasting": lasting, "round": number}

    def _state(self, record: dict[str, str], now: float) -> tuple[str, str, bool]:
        word = self.word["word"]
        if (self._folder / "stop").exists() or record.get("phase") == "stopped":
            return "left", "", False
        if self._asking and (word == "keep" or record.get("phase") != "running"):
            self._asking.end()
        code = int(record.get("exit") or 0)
        how = f"exit code {code}"
        attempt = int(record.get("restarts") or 0)
        if self._without_supervisor(record, now):
            if word in ("end", "over"):
                return ("ended" if self._cleared == attempt else "running"), "", True
            if record.get("phase") != "ended":
                return "failed", "its supervisor was ended from outside", True
            failed = code != 0 or self._unwell(record)
            return ("failed" if failed else "done"), how, True
        if record.get("waits") == "group":
            if word == "keep" or (word == "go" and attempt > self._went):
                return "failed", how, False
            waiting = word == "go" or (word == "again" and self._cleared == attempt)
            return ("waiting" if waiting else "running"), how, False
        if record.get("phase") != "running":
            return "running", "", False
        if attempt != self._attempt:
            self._attempt, self._since = attempt, now
        ready = word == "keep" or self._ready(record, now)  # else nobody asks
        return ("ready" if ready else "running"), "", False

    def _without_supervisor(self, record: dict[str, str], now: float) -> bool:
        return record.get("phase") == "ended" or not self._supervised(now)

    def _supervised(self, now: float) -> bool:
        if now - self._asked_s > ASK_S:
            self._asked_s, self._lives = now, birth(self._supervisor) == self._born
        if self._lives:
            try:
                os.kill(self._supervisor, 0)
            except OSError:
                self._lives = False
        return self._lives

    def _unwell(self, record: dict[str, str]) -> bool:
        """Whether it was ended because it did not work."""
        try:
            said = (self._folder / "unwell").read_text(errors="replace")
        except OSError:
            return False
        return said.startswith(f"{record['run']} {record['restarts']} ")

    def _ready(self, record: dict[str, str], now: float) -> bool:
        ready = self._part["ready"]
        if self._asking:
            holds = self._asking.holds(self._attempt, int(record.get("log") or 0))
            if holds and self._noted != self._attempt:  # for controllers, as one of them would
                self._noted = self._attempt
                new = self._folder / "ready.new"
                new.write_text(f"{record['run']} {record['restarts']}\n")
                new.replace(self._folder / "ready")
            return holds
        if ready["kind"] == "listening":
            return listens(ready["port"])
        return now - self._since >= float(ready["after_s"])

    def act(self, now: float) -> None:
        """Do what it was told, as far as that is not done yet."""
        record, word = self._record(), self.word["word"]
        if word == "keep" or not record or record.get("phase") == "stopped":
            return
        attempt = int(record["restarts"])
        waits = record.get("waits") == "group"
        if word == "go":
            if waits and attempt != self._went:
                self._went = attempt
                self._tell(attempt, "go")
            return
        fresh = self._tell(attempt, word)
        if waits:
            self._went = -1  # should it have been told to begin, that is taken back
        over = waits or self._without_supervisor(record, now)
        if fresh and not over:
            # it wakes, and after the attempt begins none by its policy
            os.kill(self._supervisor, signal.SIGUSR1 if word == "again" else signal.SIGTERM)
        if fresh or (now >= self._until and not over) or (over and self._cleared != attempt):
            left = self._end(fresh, now)
            if over and (not left or now > self._over_s):
                self._cleared = attempt

    def close(self) -> None:
        """End what it has begun for itself."""
        if self._asking:
            self._asking.end()

    def note_apart(self, why: str) -> None:
        """Write down, for who asks, that the rule cannot be followed now; empty: it can."""
        if why == self._apart:
            return
        self._apart = why
        file = self._folder / "apart"
        if why:
            file.write_text(f"{self._part['run']} {' '.join(why.split())}\n")
        elif file.exists():
            file.unlink()

    def _tell(self, attempt: int, word: str) -> bool:
        """Write it down for the supervisor; whether that is new."""
        text = f"{self._part['run']} {attempt} {word} {self.word['why']}\n"
        if text == self._told:
            return False
        new = self._folder / "told.new"
        new.write_text(text)
        new.replace(self._folder / "told")
        self._told = text
        return True

    def _end(self, fresh: bool, now: float) -> bool:
        """End what runs of it: the signal, and KILL once it had its time; whether anything did."""
        name = ""
        if fresh:
            name = self._part["signal"]
            self._until = now + self._part["grace_s"]
            self._over_s = self._until + KILLED_S
        elif now >= self._until:
            name, self._until = "KILL", now + 1.0
        argv = ["sh", str(self._folder / "supervisor"), str(self._folder), "groups"]
        listed = subprocess.run(argv, stdout=subprocess.PIPE, timeout=20).stdout.split()
        for group in map(int, listed if name else ()):
            for one in (name, "CONT"):
                with contextlib.suppress(OSError):  # it has ended
                    os.killpg(group, getattr(signal, f"SIG{one}"))
        return bool(listed)


def birth(pid: int) -> str:
    """When a process began, as members.sh has it; empty: it lives no more."""
    if Path("/proc/self").is_dir():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            return ""
        return "" if fields[0] == "Z" else fields[19]
    argv = ["ps", "-o", "lstart=", "-p", str(pid)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=20)
    return "_".join(done.stdout.decode().split())


def listens(port: int) -> bool:
    """Whether a socket of the node listens on ``port``: proc_net(5), netstat(1) of macOS."""
    if Path("/proc/net/tcp").exists():
        for name in ("tcp", "tcp6"):
            try:
                lines = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
            except OSError:
                continue
            fields = (line.split() for line in lines)
            if any(f[3] == "0A" and int(f[1].rpartition(":")[2], 16) == port for f in fields):
                return True
        return False
    argv = ["netstat", "-anp", "tcp"]
    said = subprocess.run(argv, stdout=subprocess.PIPE, timeout=20).stdout.decode()
    rows = (line.split() for line in said.splitlines() if line.endswith("LISTEN"))
    return any(row[3].endswith(f".{port}") for row in rows if len(row) > 3)
