"""A controller that is killed (SIGKILL) at random moments of `start` and of `stop`: the next
command completes what was begun, and never are there two of one instance.

Three nodes on the loopback, a server and six workers after it.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time

from chances import Controller, Counts, Said, SmallFleet, chance, eventually, options, small_fleet
from measure import say

SERVICES = (
    "{server: {on: n1, command: exec sleep 86401, stop: {grace: 1}}, "
    "a: {on: [n1, n2, n3], after: [server], command: exec sleep 86401, stop: {grace: 1}}, "
    "b: {on: [n1, n2, n3], after: [a], restart: always, command: exec sleep 86401, "
    "stop: {grace: 1}}}"
)
INSTANCES = 7
ENDED_S = 10.0


class Looking:
    """Counts the processes of each instance again and again; a context manager."""

    def __init__(self, fleet: SmallFleet) -> None:
        self._fleet = fleet
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.looks = 0
        self.twice: list[str] = []
        """Instances of which there were two, each time with its processes."""

    def __enter__(self) -> Looking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        took_s = 0.0
        while not self._end.wait(max(0.05, 3 * took_s)):  # the machine is for the controllers
            began = time.monotonic()
            found = self._fleet.running()
            took_s = time.monotonic() - began
            self.looks += 1
            self.twice += [f"{name}: {pids}" for name, pids in found.items() if len(pids) > 1]


class Trials:
    """What went wrong so far."""

    def __init__(self, fleet: SmallFleet, luck: random.Random) -> None:
        path = fleet.write(SERVICES)
        home = fleet.servers.folder
        self._laptops = [Controller(home / name, path) for name in ("laptop", "other")]
        self._fleet = fleet
        self._luck = luck
        self._usual_s = {"start": 0.0, "stop": 0.0}
        self.killed = {"start": 0, "stop": 0}
        self.incomplete = self.mistakes = self.locks = self.untold = 0
        self.longest_s = 0.0

    def whole(self, verb: str) -> Said:
        """A command that is left alone; what it leaves must be complete."""
        said = self._luck.choice(self._laptops).type(verb)
        self._usual_s[verb] = said.took_s
        self.longest_s = max(self.longest_s, said.took_s)
        self.mistakes += said.mistake
        wanted = INSTANCES if verb == "start" else 0
        there = eventually(lambda: self._is(wanted), ENDED_S)
        if said.code != 0 or not there:
            self.incomplete += 1
            say(f"{verb} is not complete: {dict(self._fleet.counts())}; {said}")
        if verb == "stop" and said.code == 0 and (left := self._fleet.left()):
            self.locks += len(left)
            say(f"left after {verb}: {', '.join(left)}")
        return said

    def _is(self, wanted: int) -> bool:
        counts = self._fleet.counts()
        return len(counts) == wanted and all(number == 1 for number in counts.values())

    def told(self, wanted: str) -> None:
        """`status` must say the same of all."""
        said = self._laptops[0].type("status", "--json")
        states = {one["state"] for one in json.loads(said.out)["services"].values()}
        if states != {wanted}:
            self.untold += 1
            say(f"status says {states}, not {wanted}")

    def kill(self, verb: str) -> None:
        """One that is killed at a random moment."""
        process = self._luck.choice(self._laptops).begin(verb)
        at_s = self._luck.uniform(0.1, 1.1) * self._usual_s[verb]
        try:
            process.wait(at_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            self.killed[verb] += 1
        process.communicate()


def main() -> None:
    parser = options("kill -9 of the controller")
    parser.add_argument("--kills", type=int, default=50)
    given = parser.parse_args()
    luck, counts = chance(given), Counts()
    began = time.monotonic()
    with small_fleet(3) as fleet, Looking(fleet) as looking:
        trials = Trials(fleet, luck)
        trials.whole("start")
        trials.whole("stop")
        while sum(trials.killed.values()) < given.kills:
            verb = luck.choice(("start", "stop"))
            trials.whole("stop" if verb == "start" else "start")
            trials.kill(verb)
            then = verb if luck.random() < 0.7 else "stop" if verb == "start" else "start"
            trials.whole(then)
            if luck.random() < 0.2:
                trials.told("ready" if then == "start" else "stopped")
        trials.whole("stop")
    made = ", ".join(f"{number} of {verb}" for verb, number in trials.killed.items())
    say(
        f"{made} killed within {time.monotonic() - began:.0f} s; {looking.looks} looks at processes"
    )
    say(f"longest whole command: {trials.longest_s:.1f} s")
    for line in looking.twice[:5]:
        say(line)
    counts.at_most("next commands that did not complete it", trials.incomplete)
    counts.at_most("times there were two of one", len(looking.twice))
    counts.at_most("locks left", trials.locks)
    counts.at_most("states not told as they are", trials.untold)
    counts.at_most("commands that hung or had a mistake", trials.mistakes)
    counts.end()


if __name__ == "__main__":
    main()
