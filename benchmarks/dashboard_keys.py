"""The dashboard's keys: from the key to what it draws, with everything on, and under load.

``python benchmarks/dashboard_keys.py [PART ...] [--seconds 20] [--rounds 20]``; the parts are 5,
50 and 200, numbers of nodes, lines, simulated and simulated-50.

The real program in a terminal of 200x50 cells, which has the third pane, with its history on the
disk. In one run of each part: first paint, the processor time while nothing happens, then keys;
each is timed until that has arrived at the terminal which only this key can cause. ``lines``: five
nodes run a job that writes 10,000 lines a second on each; the lines go through tmux, the log's
file and SSH, as in a real fleet. That part has no idle time, but the processor time of its load.
``simulated``: 200 nodes, or 50, which are values in the dashboard's process, for two processors
are too few for 200 SSH servers; connections and their cost are left out, all else is there.
In each the job runs; from 50 nodes on one of its instances does not, for equal rows are folded.

The dashboard has priority over all else on this machine, so that times are its own; the processor
time of a key is given, too.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dashboard_cost import HEARD_TIMEOUT_S, IDLE_TARGETS, Screen, cpu_s, dashboard, give_way
from dashboard_cost import load as machine_load
from loopback import Loopback, loopback
from measure import FLEETCTL, cannot, environment, judge, percentile, run, say

from fleetctl import config
from fleetctl.model.layout import instance_dir

SIZE = (200, 50)
PAINT_TARGET_S, KEY_TARGET_MS = 0.5, 100.0
SETTLE_S = 12.0
"""From the last node's first answer to the measurement: questions that are asked once are over."""
KEY_PAUSE_S = 0.2
"""Longer than the third pane takes to follow: its answer to one key is not taken for the next."""
LINES, SIMULATED = "lines", "simulated"
SIMULATED_50 = "simulated-50"
COUNTS = {LINES: 5, SIMULATED: 200, SIMULATED_50: 50}
MORE = {SIMULATED: b"0", SIMULATED_50: b"04"}
"""What is typed after an n so that fewer names have it."""
FOLDED_FROM = 30
"""In a larger fleet rows that are equal are one; the keys need two."""
RATE = 10_000
WRITERS_NICE = -10
"""The lines have to come: only the dashboard goes before those that write them."""
PARTS = (*map(str, IDLE_TARGETS), LINES, SIMULATED, SIMULATED_50)


def part(servers: Loopback, name: str, seconds: float, rounds: int) -> None:
    """Measure one dashboard from its first frame to its last key."""
    count = COUNTS.get(name) or int(name)
    command = "sleep 100000"
    if name == LINES:
        writer = Path(__file__).with_name("writer.py")
        command = shlex.join((sys.executable, str(writer), "rate", str(RATE)))
    path = servers.nodes_yaml(min(count, len(servers.hosts)), command)
    argv: tuple[str, ...] = (*FLEETCTL, "-f", str(path))
    simulated = name.startswith(SIMULATED)
    if simulated:
        argv = (sys.executable, str(Path(__file__).with_name("simulated.py")), str(count))
    with dashboard(argv, servers.folder) as screen:  # it is not counted: it compiles
        screen.until(r"Topology.*Nodes.*Logs.*Problems", HEARD_TIMEOUT_S)
    with_what = ", simulated" if simulated else ""
    if name == LINES:
        with_what = f", {count * RATE:,} lines a second"
    say(f"{count} nodes{with_what}; {machine_load()}")
    if not simulated:
        told(argv, servers, "start", "--no-check")
        if count > FOLDED_FROM:
            told(argv, servers, "stop", f"n{count - 2}")
    began = time.perf_counter()
    with dashboard(argv, servers.folder, SIZE) as screen:
        screen.until(r"Topology.*Nodes.*Logs.*Problems", HEARD_TIMEOUT_S)
        painted_s = time.perf_counter() - began
        screen.until(rf"{count}/{count} nodes", HEARD_TIMEOUT_S)
        heard_s = time.perf_counter() - began
        judge("  first paint", painted_s, PAINT_TARGET_S, " s")
        say(f"  all heard of after {heard_s:.1f} s")
        time.sleep(SETTLE_S)
        share = share_of(screen.process.pid, seconds)
        if target := 0.0 if name in COUNTS else IDLE_TARGETS[count]:
            judge("  nothing happening", share, target, " % of a core")
        else:
            say(f"  {'the lines' if name == LINES else 'nothing happening'}: "
                f"{share:.1f} % of a core")  # fmt: skip
        read = bytes_read(servers, path) if name == LINES else 0
        before = time.perf_counter()
        keys(screen, asked(MORE.get(name, b"4")), rounds)
        if read:
            lines = (bytes_read(servers, path) - read) / 81 / (time.perf_counter() - before)
            say(f"  {lines:,.0f} lines a second were written meanwhile")
    if not simulated:
        told(argv, servers, "stop")
    say(f"  {machine_load()}")


def told(argv: Sequence[str], servers: Loopback, *command: str) -> None:
    """Have ``fleetctl`` do it, or end the measurement."""
    done = run((*argv, *command), env=environment(servers.folder))
    if done.exit_code != 0:
        cannot(f"fleetctl {shlex.join(command)} failed")


def bytes_read(servers: Loopback, path: Path) -> int:
    """How much the writers have written, by the number in their last lines times 81."""
    fleet = config.load(path)
    total = 0
    for instance in fleet.jobs["idle"].instances:
        home = servers.home(str(fleet.nodes[instance.node].ssh.host))
        state = instance_dir(fleet.name, "idle", instance.name).removeprefix("~/")
        newest = max((home / state / "log").iterdir(), key=lambda part: part.stat().st_mtime)
        tail = newest.read_bytes()[-400:]
        numbers = [int(word) for word in tail.split() if word.isdigit() and len(word) == 9]
        total += 81 * max(numbers, default=0)
    return total


def share_of(pid: int, seconds: float) -> float:
    """Percent of a core of the process, which starts no others."""
    before, began = cpu_s(pid), time.perf_counter()
    time.sleep(seconds)
    return 100 * (cpu_s(pid) - before) / (time.perf_counter() - began)


def asked(more: bytes) -> list[tuple[str, bytes, str]]:
    """Keys in their order: what for, what is typed, and its answer; they end where they began."""
    return [
        ("cursor down", b"j", r"x stop \w+(@| on )"),
        ("cursor up", b"k", r"x stop \w+(@| on )"),
        ("third pane", b"j", r"Details · "),
        ("third pane back", b"k", r"Details · "),
        ("mark", b" ", r"Nodes · \d+ marked"),
        ("no marks", b"\x1b", r"─ Nodes( ·[^─]*)? ─"),
        ("open the field", b"/", r"part of a name|▁▁▁▁"),
        ("filter", b"n", r"Nodes · \d+ of"),
        ("filter more", more, r"Nodes · \d+ of"),
        ("all again", b"\x1b", r"─ Nodes( ·[^─]*)? ─"),
        ("sort", b"S", r"Nodes · worst first"),
        ("sort again", b"SSS", r"─ Nodes( ·[^─]*)? ─"),
        ("question", b"x", r"─ Stop \w+"),
        ("cancel", b"\x1b", r"x stop "),
        ("help", b"?", r"─ Help"),
        ("back", b"q", r"─ Problems"),
        ("topology", b"t", r"─ Topology"),
        ("all panels", b"t", r"─ Problems"),
    ]


def keys(screen: Screen, typed_keys: Sequence[tuple[str, bytes, str]], rounds: int) -> None:
    times: dict[str, list[float]] = {}
    spent_s: dict[str, float] = {}
    pid = screen.process.pid
    for _ in range(rounds):
        for what, typed, answer in typed_keys:
            before_s = cpu_s(pid)
            times.setdefault(what, []).append(screen.answer_ms(typed, answer))
            time.sleep(KEY_PAUSE_S)
            spent_s[what] = spent_s.get(what, 0.0) + cpu_s(pid) - before_s
    for what, values in times.items():
        own_ms = 1e3 * spent_s[what] / len(values)
        say(f"    {what:16} {statistics.median(values):7.1f} {max(values):7.1f}  ms, median and "
            f"most; {own_ms:.0f} ms of processor")  # fmt: skip
    both = sorted(value for values in times.values() for value in values)
    say(f"  a key's answer, p50: {statistics.median(both):.1f} ms of {len(both)}")
    judge("  a key's answer, p99", percentile(both, 99), KEY_TARGET_MS, " ms")


def go_first() -> None:
    """Go before all else on this machine, also before the nodes, which are others in a fleet."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        os.setpriority(os.PRIO_PROCESS, 0, -20)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them")
    parser.add_argument("--seconds", type=float, default=20, help="of nothing happening")
    parser.add_argument("--rounds", type=int, default=20, help="of all keys")
    given = parser.parse_args()
    # as with Ctrl-C: dashboard and servers are ended
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    parts = given.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    real = [COUNTS.get(name) or int(name) for name in parts if not name.startswith(SIMULATED)]
    with loopback(max(real, default=1)) as servers:
        go_first()
        for name in parts:
            give_way(WRITERS_NICE if name == LINES else 0)
            part(servers, name, given.seconds, given.rounds)
            say()


if __name__ == "__main__":
    main()
