"""`fleetctl logs -f` whose connection is cut at random moments: no byte lost, none twice.

The connection to the node goes through a proxy. It is reset, or reset again while fleetctl connects
anew, or all its packets vanish. The node's log is rotated every 8 MB. The writer waits for the
reader where it is 24 MB ahead, so that nothing is rotated away.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from chances import Controller, Counts, chance, eventually, options, small_fleet
from measure import cannot, say
from proxy import Proxy

from fleetctl.launch.node_files import SEGMENT_BYTES

NEAR = "127.0.2.1"
LINE_BYTES = 100
BLOCK = 640
AHEAD_BYTES = 24_000_000
STALLED_S = 60.0
KINDS = ("reset", "reset", "reset", "reset", "reset", "twice", "twice", "twice", "freeze")


def line(number: int) -> bytes:
    """Every line differs from every other in most of its bytes."""
    word = b"%09d " % number
    return (word * (LINE_BYTES // len(word)))[: LINE_BYTES - 1] + b"\n"


def write(count: int, told: Path) -> None:
    """On the node: write lines, not too far ahead of what ``told`` says was read."""
    out = sys.stdout.buffer
    out.write(b"waiting\n")
    out.flush()
    for first in range(0, count, BLOCK):
        while first * LINE_BYTES > AHEAD_BYTES + _read(told):
            time.sleep(0.02)
        out.write(b"".join(line(n) for n in range(first, min(first + BLOCK, count))))
        out.flush()
    out.write(b"end\n")
    out.flush()
    time.sleep(100_000)


def _read(told: Path) -> int:
    try:
        return int(told.read_text() or 0)
    except FileNotFoundError:
        return -AHEAD_BYTES - 1  # it is not followed yet


class Cutter:
    """Cuts as often as it is told, each time while there is a connection."""

    def __init__(self, proxy: Proxy, luck: random.Random) -> None:
        self._proxy = proxy
        self._luck = luck
        self.cuts = {"reset": 0, "again while connecting": 0, "freeze": 0}
        self._busy = threading.Lock()

    def cut(self) -> None:
        kind, later_s = self._luck.choice(KINDS), self._luck.uniform(0, 0.6)
        threading.Thread(target=self._cut, args=(kind, later_s), daemon=True).start()

    def _cut(self, kind: str, later_s: float) -> None:
        with self._busy:
            if kind == "freeze":
                self._hit("freeze")
                return
            self._hit("reset")
            if kind == "twice":
                time.sleep(later_s)  # somewhere in the next attempt
                self._hit("again while connecting")

    def _hit(self, kind: str) -> None:
        act = self._proxy.freeze if kind == "freeze" else self._proxy.cut
        if eventually(act, STALLED_S):
            self.cuts[kind] += 1

    def total(self) -> int:
        with self._busy:
            return sum(self.cuts.values())


class Reading:
    """What came of the lines that were written."""

    def __init__(self) -> None:
        self.next = 0
        self.lost = self.twice = self.wrong = 0
        self.begun = self.ended = False

    def take(self, got: bytes) -> None:
        if got == line(self.next):
            self.next += 1
        elif got == b"waiting\n" and not self.next:
            self.begun = True
        elif got == b"end\n":
            self.ended = True
        elif (word := got[:9]).isdigit() and got == line(int(word)):
            number = int(word)
            if number < self.next:
                self.twice += 1
            else:
                self.lost += number - self.next
                self.next = number + 1
        else:
            self.wrong += 1
            if self.wrong < 5:
                say(f"not a line that was written, after {self.next}: {got[:120]!r}")


def follow(
    process: subprocess.Popen[bytes], told: Path, count: int, at: list[int], cutter: Cutter
) -> Reading:
    """Read to the end, and cut before each line of ``at``."""
    assert process.stdout
    reading = Reading()
    watchdog = time.monotonic()

    def watch() -> None:
        nonlocal watchdog
        while process.poll() is None:
            if time.monotonic() - watchdog > STALLED_S:
                process.kill()
            time.sleep(1)

    threading.Thread(target=watch, daemon=True).start()
    for got in process.stdout:
        reading.take(got.replace(b"\r\n", b"\n"))
        if reading.next % 1000 == 0 and reading.begun:
            watchdog = time.monotonic()
            fresh = told.with_suffix(".new")
            fresh.write_text(str(reading.next * LINE_BYTES))
            fresh.replace(told)
        while at and reading.next >= at[0]:
            at.pop(0)
            cutter.cut()
        if reading.ended:
            break
    else:
        say(f"it ended, or came to nothing for {STALLED_S:g} s, after line {reading.next}")
    reading.lost += count - reading.next
    return reading


def main() -> None:
    parser = options("logs -f with cut connections")
    parser.add_argument("--mb", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--write", nargs=2, help="for the node: how many lines, and what was read")
    given = parser.parse_args()
    if given.write:
        write(int(given.write[0]), Path(given.write[1]))
    luck, counts = chance(given), Counts()
    lines = given.mb * 1_000_000 // LINE_BYTES
    with small_fleet(1) as fleet, Proxy(NEAR, fleet.servers.hosts[0], fleet.servers.port) as proxy:
        told = fleet.servers.folder / "told"
        command = f"exec {sys.executable} {Path(__file__).resolve()} --write {lines} {told}"
        path = fleet.write(f"{{w: {{on: n1, command: {command!r}}}}}", [NEAR])
        controller = Controller(fleet.servers.folder / "laptop", path)
        if (said := controller.type("start")).code != 0:
            cannot(f"the writer does not start: {said}")
        following = controller.begin("logs", "-f")
        assert following.stderr
        messages = threading.Thread(target=following.stderr.read, daemon=True)
        messages.start()
        cutter = Cutter(proxy, luck)
        at = sorted(luck.randrange(lines) for _ in range(given.cuts))
        began = time.monotonic()
        reading = follow(following, told, lines, at, cutter)
        took_s = time.monotonic() - began
        following.kill()
        following.wait()
        controller.type("stop")
    made = ", ".join(f"{number} {kind}" for kind, number in cutter.cuts.items())
    rotations = given.mb * 1_000_000 // SEGMENT_BYTES
    say(f"{given.mb} MB in {took_s:.0f} s, {rotations} rotations, {cutter.total()} cuts: {made}")
    counts.at_most("cuts not made", max(0, given.cuts - cutter.total()))
    counts.at_most("bytes lost", reading.lost * LINE_BYTES)
    counts.at_most("bytes twice", reading.twice * LINE_BYTES)
    counts.at_most("lines that were not written so", reading.wrong)
    counts.end()


if __name__ == "__main__":
    main()
