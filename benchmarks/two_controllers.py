"""Two controllers that start, stop and restart the same job at once: one process of each instance,
no deadlock, and the last word holds.

Three nodes on the loopback; each controller has a home of its own, as two laptops have.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

from chances import Controller, Counts, Said, chance, eventually, options, small_fleet
from killed_controller import ENDED_S, INSTANCES, SERVICES, Looking
from measure import say

VERBS = ("start", "start", "stop", "restart", "restart")
TARGETS = ((), (), (), ("n2",), ("a",), ("b@n1",))


class Laptop(threading.Thread):
    """Types one command after the other until the time is over."""

    def __init__(self, controller: Controller, luck: random.Random, until_s: float) -> None:
        super().__init__()
        self._controller = controller
        self._luck = luck
        self._until_s = until_s
        self.typed: Counter[str] = Counter()
        self.wrong: list[Said] = []
        self.longest_s = 0.0
        self.refused: Counter[str] = Counter()

    def run(self) -> None:
        while time.monotonic() < self._until_s:
            verb = self._luck.choice(VERBS)
            said = self._controller.type(verb, *self._luck.choice(TARGETS))
            self.typed[verb] += 1
            self.longest_s = max(self.longest_s, said.took_s)
            if said.mistake:
                self.wrong.append(said)
            elif said.code != 0:
                self.refused[said.err.strip().split("\n")[-1][:150]] += 1


def main() -> None:
    parser = options("two controllers at once")
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    luck, counts = chance(given), Counts()
    with small_fleet(3) as fleet, Looking(fleet) as looking:
        path = fleet.write(SERVICES)
        until_s = time.monotonic() + given.seconds
        laptops = [
            Laptop(
                Controller(fleet.servers.folder / name, path),
                random.Random(luck.random()),
                until_s,
            )
            for name in ("laptop", "other")
        ]
        for laptop in laptops:
            laptop.start()
        for laptop in laptops:
            laptop.join()
        last = Controller(fleet.servers.folder / "laptop", path)
        incomplete = 0
        for verb, wanted in (("start", INSTANCES), ("stop", 0)):
            said = last.type(verb)

            def is_so(wanted: int = wanted) -> bool:
                found = fleet.counts()
                return len(found) == wanted and set(found.values()) <= {1}

            if said.code != 0 or not eventually(is_so, ENDED_S):
                incomplete += 1
                say(f"{verb} afterwards is not complete: {dict(fleet.counts())}; {said}")
        left = fleet.left()
    typed = sum((laptop.typed for laptop in laptops), Counter[str]())
    say(f"{dict(typed)} in {given.seconds:g} s; {looking.looks} looks at processes")
    say(f"longest command: {max(laptop.longest_s for laptop in laptops):.1f} s")
    for sentence, number in sum((one.refused for one in laptops), Counter[str]()).most_common(8):
        say(f"{number} times an exit code that is not 0: {sentence}")
    for line in looking.twice[:5]:
        say(line)
    wrong = [said for laptop in laptops for said in laptop.wrong]
    for said in wrong[:5]:
        say(str(said))
    counts.at_most("times there were two of one", len(looking.twice))
    counts.at_most("commands that hung or had a mistake", len(wrong))
    counts.at_most("commands afterwards that are not complete", incomplete)
    counts.at_most("locks left", len(left))
    counts.end()


if __name__ == "__main__":
    main()
