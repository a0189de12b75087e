"""What follows when a member of a job fails: decided in one place, beside its first instance.

Runs on the node, in front of member_program.py, by its own python3, 3.7 or later. Pure: it is told
what members report and what time it is, and says what each of them is to do. Both sides repeat
themselves, so that a message which is lost changes nothing.

A member reports what it is: ``running``, ``ready``, ``waiting`` (its attempt has ended, and it
waits for the word to begin again), ``failed`` (its supervisor has given up), ``done`` (ended with
exit code 0), ``ended`` (as it was told) or ``left`` (a user stops it). Its word is ``keep``,
``again`` (end, and wait), ``go`` (begin again) or ``end``; for the one that failed, ``over`` is in
the place of ``end``.
"""

from __future__ import annotations

from typing import Any

OUT = ("done", "ended", "left")


class Seen:
    """What is known of a member that has joined."""

    def __init__(self, now: float) -> None:
        self.heard_s = now
        self.state = "running"
        self.went_s = 0.0
        """When it was told to begin again."""


class Decider:
    """Decides for one job.

    :param members: by name: ``needs``, pairs of a member that it starts after and of what is
        waited for, and ``ready_s``, how long it may take to be ready.
    :param silent_s: a member of which nothing is heard for so long has failed.
    :param most: so many times within ``within_s`` seconds all begin again.
    """

    def __init__(
        self,
        rule: str,
        members: dict[str, dict[str, Any]],
        silent_s: float,
        most: int,
        within_s: float,
    ) -> None:
        self._rule = rule
        self._members = members
        self._silent_s = silent_s
        self._most = most
        self._within_s = within_s
        self._seen: dict[str, Seen] = {}
        self._gone: set[str] = set()  # told to begin again in this round
        self._began: list[float] = []
        self.phase = "running"
        self.round = 0
        self.why = ""
        self._first = ""  # which failed first

    def hear(self, name: str, report: dict[str, Any], now: float) -> None:
        """What a member says of itself."""
        seen = self._seen.setdefault(name, Seen(now))
        seen.heard_s = now
        state: str = report["state"]
        if report["round"] != self.round and state not in ("done", "left"):
            state = "running"  # it has not heard yet what it is to do
        seen.state = state
        if state == "failed":
            self._fail(name, f"failed ({report['why']})", bool(report["lasting"]), now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        for name, seen in list(self._seen.items()):
            if seen.state not in OUT and now - seen.heard_s > self._silent_s:
                seen.state = "ended"
                self._fail(name, f"was not heard of for {self._silent_s:g} s", True, now)
        if self.phase == "gathering" and self._are(("waiting",)):
            self.phase, self._gone = "starting", set()
        if self.phase == "starting":
            self._start(now)

    def _start(self, now: float) -> None:
        for name, seen in list(self._seen.items()):
            if name not in self._gone:
                if seen.state == "waiting" and self._served(name):
                    self._gone.add(name)
                    seen.went_s = now
            elif seen.state in ("waiting", "running"):
                ready_s = self._members[name]["ready_s"] if name in self._members else 60.0
                if now - seen.went_s > ready_s:
                    self._fail(name, f"was not ready after {ready_s:g} s", False, now)
                    return
        if self._are(("ready",)):
            self.phase = "running"

    def _are(self, states: tuple[str, ...]) -> bool:
        return all(s.state in states for s in self._seen.values() if s.state not in OUT)

    def _served(self, name: str) -> bool:
        """Whether what it starts after has come to what is waited for; what is no member any more,
        or never was, is not waited for."""
        enough = {"started": ("running", "ready", *OUT), "ready": ("ready", *OUT), "exited-ok": OUT}
        for need, until in self._members.get(name, {}).get("needs", ()):
            seen = self._seen.get(need)
            if seen is None or seen.state in OUT:
                continue
            if need not in self._gone or seen.state not in enough[until]:
                return False
        return True

    def _fail(self, name: str, how: str, lasting: bool, now: float) -> None:
        if self.phase == "ending":
            return
        self._first, self.why = name, f"{name} {how}"
        if self._rule == "restart-all" and not lasting:
            self._began = [at for at in self._began if now - at < self._within_s]
            if len(self._began) < self._most:
                self._began.append(now)
                self.phase, self._gone = "gathering", set()
                self.round += 1
                return
            self.why += f", after {self._most} restarts of the job within {self._within_s:g} s"
        self.phase = "ending"
        self.round += 1

    def word(self, name: str) -> dict[str, Any]:
        """What member ``name`` is to do now."""
        word = "keep"
        if self.phase == "ending":
            word = "over" if name == self._first else "end"
        elif self.phase != "running":
            word = "go" if name in self._gone else "again"
        return {"word": word, "round": self.round, "why": self.why}

    def over(self) -> bool:
        """Whether no member is left for which anything could be decided."""
        return all(seen.state in OUT for seen in self._seen.values())
