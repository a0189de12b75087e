"""The time of `fleetctl --version` against an empty Python, and what `config check` imports."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from measure import FLEETCTL, cannot, interleave, judge, ratio, run, say, show

ROUNDS = 21
TARGET = 5.0
HEAVY = ("asyncssh", "textual", "libtmux")
NODES_YAML = Path(__file__).parents[1] / "nodes.yaml"


def timed(*argv: str) -> float:
    done = run(argv)
    if done.exit_code != 0:
        cannot(f"{' '.join(argv)} ended with exit code {done.exit_code}")
    return done.wall_s


def imports(*arguments: str) -> set[str]:
    """The top-level modules that a call of fleetctl imports, by Python's own -X importtime."""
    argv = (sys.executable, "-X", "importtime", "-m", "fleetctl", *arguments)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        cannot(f"fleetctl {' '.join(arguments)} ended with exit code {done.returncode}")
    names = re.findall(r"^import time:[^|]*\|[^|]*\|\s*(\S+)$", done.stderr, re.M)
    return {name.partition(".")[0] for name in names}


def main() -> None:
    contenders: dict[str, Callable[[], float]] = {
        "fleetctl --version": lambda: timed(*FLEETCTL, "--version"),
        "python -c pass": lambda: timed(sys.executable, "-c", "pass"),
    }
    for measure in contenders.values():
        measure()  # the first call reads from the disk and writes bytecode
    results = interleave(contenders, ROUNDS)
    show(f"{ROUNDS} rounds", results, "s")
    ours, empty = results.values()
    judge("fleetctl --version against an empty Python", ratio(ours, empty), TARGET, "x")

    for arguments in (("--version",), ("-f", str(NODES_YAML), "config", "check")):
        found = imports(*arguments)
        heavy = [name for name in HEAVY if name in found]
        what = "--version" if "--version" in arguments else "config check"
        verdict = f"imports {', '.join(heavy)}: MISSED" if heavy else "imports none of them: met"
        say(f"fleetctl {what} (target: neither {' nor '.join(HEAVY)}) {verdict}")


if __name__ == "__main__":
    main()
