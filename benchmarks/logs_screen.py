"""The dashboard's logs under load: five logs of 10,000 lines a second each for a minute.

``python benchmarks/logs_screen.py [--seconds 60] [--rate 10000]``

Five processes write five files. fleetctl's panel shows them in a terminal of 120x40 cells, reading
each through a ``tail`` of its own, as the dashboard reads those of nodes. The peer, tmux, shows a
``tail -F`` of the same files in a terminal of the same size. Keys are sent meanwhile; each is timed
until its answer arrives at the terminal. The panel's times while nothing is written are for
comparison: they are those of the machine and of Textual.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from measure import cannot, judge, percentile, say
from terminal import Terminal

LOGS = 5
P99_TARGET_MS = 100.0
SETTLE_S = 3.0
"""Between the first line and the first key."""
BASE_S = 10.0
KEY_PAUSE_S = 0.07
NUMBER = re.compile(rb"line (\d{9})")


# The writers and the panel, as processes


def produce(path: Path, rate: int) -> None:
    """Write numbered lines of 80 bytes at ``rate`` a second, until killed."""
    number = 0
    began = time.monotonic()
    with path.open("ab", buffering=0) as file:
        while True:
            until = int((time.monotonic() - began) * rate)
            file.write(b"".join(map(line, range(number, until))))
            number = until
            time.sleep(0.01)


def line(number: int) -> bytes:
    return b"line %09d loss 4.12 %s\n" % (number, b"x" * 55)


def screen(folder: Path) -> None:
    """Run the panel alone until ctrl+q, then write to ``report.json`` what it held."""
    from textual.app import App, ComposeResult

    from fleetctl.logs.events import LogBatch, LogEvent
    from fleetctl.logs.lines import Framer
    from fleetctl.tui.logs.panel import LogPanel

    paths = log_files(folder)
    names = [path.stem for path in paths]

    class Screen(App[None]):
        def __init__(self) -> None:
            super().__init__()
            self.panel = LogPanel(names)
            self.waiting: list[LogEvent] = []

        def compose(self) -> ComposeResult:
            yield self.panel

        def on_mount(self) -> None:
            self.panel.focus()
            # what exists by now stays: garbage collections can skip it
            gc.freeze()
            for path in paths:
                self.run_worker(self.read(path))

        async def read(self, path: Path) -> None:
            process = await asyncio.create_subprocess_exec(
                "tail", "-c", "+1", "-F", str(path), stdout=subprocess.PIPE
            )
            assert process.stdout
            framer = Framer(0)
            try:
                while data := await process.stdout.read(1 << 17):
                    start, whole = framer.feed(data)
                    if whole:
                        now = time.time()
                        if not self.waiting:
                            self.set_timer(0.1, self.hand_over)
                        self.waiting.append(LogBatch(path.stem, start, whole, now, now))
            finally:
                process.kill()

        def hand_over(self) -> None:
            events, self.waiting = self.waiting, []
            self.panel.take(events)

    app = Screen()
    app.run()
    app.panel.take(app.waiting)
    buffer = app.panel.buffer
    report = {}
    for name in names:
        numbers = [int(n) for c in buffer.chunks(name) for n in NUMBER.findall(c.data)]
        fallen = buffer.fallen_lines(name)
        whole = numbers == list(range(fallen, fallen + len(numbers)))
        report[name] = {"held": len(numbers), "fallen": fallen, "whole": whole}
    (folder / "report.json").write_text(json.dumps(report))


def log_files(folder: Path) -> list[Path]:
    return [folder / f"worker@n{number}.log" for number in range(1, LOGS + 1)]


@contextmanager
def producing(folder: Path, rate: int) -> Iterator[list[Path]]:
    """Run the writers, on files that are empty at first."""
    paths = log_files(folder)
    for path in paths:
        path.write_bytes(b"")
    argv = (sys.executable, __file__, "--produce")
    writers = [subprocess.Popen([*argv, str(path), "--rate", str(rate)]) for path in paths]
    try:
        yield paths
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()


@dataclass
class Measured:
    """The results of one program."""

    cpu_percent: float = 0.0
    rss_mb: list[float] = field(default_factory=list)
    answers_ms: dict[str, list[float]] = field(default_factory=dict)

    @property
    def all_ms(self) -> list[float]:
        return sorted(value for values in self.answers_ms.values() for value in values)


def family(pids: Sequence[int]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for pid in pids:
        process = psutil.Process(pid)
        found += [process, *process.children(recursive=True)]
    return found


def cpu_s(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(one.user + one.system for one in times)


def measure(
    terminal: Terminal, pids: Sequence[int], keys: Sequence[tuple[str, bytes, str]], seconds: float
) -> Measured:
    """Send ``keys`` (name, bytes, expected answer) again and again."""
    result = Measured()
    time.sleep(SETTLE_S)
    processes = family(pids)
    began, cpu_before = time.monotonic(), cpu_s(processes)
    sampled = 0.0
    while time.monotonic() - began < seconds:
        for what, typed, answer in keys:
            result.answers_ms.setdefault(what, []).append(terminal.answer_ms(typed, answer))
            time.sleep(KEY_PAUSE_S)
        if not keys:
            time.sleep(0.2)
        if time.monotonic() - sampled > 0.5:
            sampled = time.monotonic()
            result.rss_mb.append(sum(p.memory_info().rss for p in processes) / (1 << 20))
    result.cpu_percent = 100 * (cpu_s(processes) - cpu_before) / (time.monotonic() - began)
    return result


# The contenders

PANEL_KEYS = (
    ("pause", b" ", "paused"),
    ("page up", b"\x1b[5~", r"line \d{9}"),
    ("line up", b"k", r"line \d{9}"),
    ("oldest line", b"g", r"older lines are no longer held|line 000000000"),
    ("follow", b"G", "following"),
    ("one instance", b"]", "worker@n1 · following"),
    ("all again", b"[", "all · following"),
    ("open filter", b"/", "filter / "),
    ("type a filter", b"7", "filter /7/"),
    ("type on", b"7", "filter /77/"),
    ("type less", b"\x7f", "filter /7/"),
    ("drop the filter", b"\x7f\r", r"all · following ─"),
)
TMUX_KEYS = (
    ("pause", b"\x02[", r"\[0/\d+\]"),
    ("page up", b"\x1b[5~", r"\d"),  # it draws only the cells that differ
    ("follow", b"q", r"line \d{9}"),
)


def ours(folder: Path, seconds: float) -> Measured:
    env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    argv = (sys.executable, __file__, "--screen", str(folder))
    terminal = Terminal(argv, env)
    terminal.answer_ms(b"", "following")
    result = measure(terminal, [terminal.process.pid], PANEL_KEYS, seconds)
    terminal.end(b"\x11")
    report = json.loads((folder / "report.json").read_text())
    lost = [name for name, one in report.items() if not one["whole"] or not one["held"]]
    if lost:
        cannot(f"lines are missing in what is held of {', '.join(lost)}: {report}")
    held, fallen = (sum(one[key] for one in report.values()) for key in ("held", "fallen"))
    say(f"{held:,} lines held at the end, none missing between them; {fallen:,} older fell out")
    return result


def tmux(folder: Path, paths: Sequence[Path], seconds: float) -> Measured:
    socket = str(folder / "tmux")
    tail = ("tail", "-q", "-n", "+1", "-F", *map(str, paths))
    env = {k: v for k, v in os.environ.items() if k != "TMUX"} | {"TERM": "xterm-256color"}
    base = ("tmux", "-u", "-S", socket, "-f", "/dev/null")
    terminal = Terminal((*base, "new-session", *tail), env)
    try:
        terminal.answer_ms(b"", r"line \d{9}")
        asked = subprocess.run(
            [*base, "display-message", "-p", "#{pid}"], capture_output=True, check=True, text=True
        )
        pids = [int(asked.stdout), terminal.process.pid]
        return measure(terminal, pids, TMUX_KEYS, seconds)
    finally:
        subprocess.run([*base, "kill-server"], check=False, capture_output=True)
        terminal.process.wait(10)


def tell(name: str, result: Measured) -> None:
    rss = result.rss_mb
    say(f"{name}: {result.cpu_percent:.0f} % of a core; memory {rss[0]:.0f} MB at first, "
        f"{rss[-1]:.0f} MB at the end, {max(rss):.0f} MB at most")  # fmt: skip
    for what, values in result.answers_ms.items():
        say(f"  {what:16} {statistics.median(values):7.1f} {max(values):7.1f}  ms, median and most "
            f"of {len(values)}")  # fmt: skip
    if values := result.all_ms:
        p99 = percentile(values, 99)
        say(f"  {'all keys':16} {statistics.median(values):7.1f} {p99:7.1f}  ms, median and p99 "
            f"of {len(values)}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=int, default=10_000, help="lines a second of each log")
    parser.add_argument("--produce", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--screen", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.produce:
        produce(asked.produce, asked.rate)
    elif asked.screen:
        screen(asked.screen)
    else:
        compare(asked.seconds, asked.rate)


def compare(seconds: float, rate: int) -> None:
    if not shutil.which("tmux"):
        cannot("tmux, the peer, is missing")
    with tempfile.TemporaryDirectory(prefix="fleetctl-bench-") as name:
        folder = Path(name)
        say(f"{LOGS} logs, {rate:,} lines a second each, {seconds:g} s")
        for path in log_files(folder):
            path.write_bytes(b"".join(map(line, range(2000))))
        tell("fleetctl's panel, nothing being written", ours(folder, min(seconds, BASE_S)))
        with producing(folder, rate):
            result = ours(folder, seconds)
        tell("fleetctl's panel and its five tails", result)
        judge("a key's answer, p99", percentile(result.all_ms, 99), P99_TARGET_MS, " ms")
        with producing(folder, rate) as paths:
            tell("tmux and tail -F", tmux(folder, paths, seconds))


if __name__ == "__main__":
    main()
