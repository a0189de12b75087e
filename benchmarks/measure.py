"""Timing commands against each other, and printing the results."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

FLEETCTL = (str(Path(sys.executable).with_name("fleetctl")),)
"""As users start it."""


@dataclass(frozen=True)
class Run:
    """The measurement of one command."""

    wall_s: float
    peak_rss_mb: float
    exit_code: int
    stdout: str


def run(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Run:
    """Run a command with nothing on stdin; its stderr is shown only if it fails.

    The output goes to files, so that no reader in this process slows the command down.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, cwd=cwd
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        stdout = out.read().decode(errors="replace")
        if code != 0:
            sys.stderr.write(err.read().decode(errors="replace")[-2000:])
    # kilobytes on Linux, bytes on macOS: getrusage(2) of either
    unit = 1024 if sys.platform == "darwin" else 1
    return Run(wall_s, usage.ru_maxrss / unit / 1024, code, stdout)


def interleave(
    contenders: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """Measure each contender once per round, in turn, so that other load affects all alike."""
    results: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            results[name].append(measure())
    return results


def show(title: str, results: Mapping[str, Sequence[float]], unit: str) -> None:
    """Print a table of median, minimum and maximum."""
    width = max(len(name) for name in (*results, title))
    say(f"{title:{width}}  {'median':>9} {'min':>9} {'max':>9}  {unit}")
    for name, values in results.items():
        row = (statistics.median(values), min(values), max(values))
        say(f"{name:{width}} " + "".join(f" {value:9.3f}" for value in row))


def judge(what: str, value: float, target: float, unit: str, *, at_least: bool = False) -> None:
    """Print one line: the value, its target, and whether that is met."""
    met = value >= target if at_least else value <= target
    bound = "at least" if at_least else "at most"
    verdict = "met" if met else "MISSED"
    say(f"{what}: {value:.3g}{unit} (target: {bound} {target:g}{unit}) {verdict}")


def ratio(values: Sequence[float], peer: Sequence[float]) -> float:
    """Median of the ratios of each round, in which conditions were the same for both."""
    return statistics.median(ours / theirs for ours, theirs in zip(values, peer, strict=True))


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def cannot(why: str) -> NoReturn:
    """End the program, saying why nothing was measured."""
    sys.stderr.write(f"Cannot measure: {why}\n")
    raise SystemExit(1)


def environment(home: Path) -> dict[str, str]:
    """This environment without what would differ by machine: SSH agent, configuration, colours, and
    that Python may not keep what it has compiled, as an installed program has it."""
    dropped = ("SSH_", "FLEETCTL_", "TMUX", "XDG_", "PYTHONDONTWRITEBYTECODE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    return {**kept, "HOME": str(home), "NO_COLOR": "1"}


def percentile(values: Sequence[float], which: float) -> float:
    """The value below which ``which`` percent of the sorted ``values`` lie."""
    return values[min(len(values) - 1, int(len(values) * which / 100))]
