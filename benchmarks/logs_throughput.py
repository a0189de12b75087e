"""`fleetctl logs -f` of one node against `ssh tail -f`: throughput, and latency of lines.

In a lab of two machines. The output that fleetctl follows passes through the process's terminal,
tmux, the log file and SSH. The peer follows a file that the same program writes without tmux.
"""

from __future__ import annotations

import re
import shlex
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import cannot, interleave, judge, ratio, say, show
from virtual import CONTROLLER, fleetctl, on_controller, virtual_fleet

from fleetctl.lab import Lab

LINES = 600_000
LINE_BYTES = 100
PULSES = 250
ROUNDS = 3
RATE_TARGET = 15.0
LATENCY_TARGET_MS = 20.0
TIMEOUT_S = 120.0

LOGIN = "pi@10.77.0.2"
KEY = "~/.ssh/bench"
COMMAND = "python3 writer.py"
NODES_YAML = f"""
fleet: logs
internet: null
networks:
  wire: {{cidr: 10.77.0.0/24, control: true}}
nodes:
  writer:
    ssh: {{host: 10.77.0.2, user: pi, identity_file: {KEY}}}
    addresses: {{wire: 10.77.0.2}}
jobs:
  bulk:
    services: {{writer: {{on: writer, workdir: ~/bench, command: {COMMAND} bulk {LINES}}}}}
  pulse:
    services: {{writer: {{on: writer, workdir: ~/bench, command: {COMMAND} pulse {PULSES}}}}}
"""


@contextmanager
def writing(lab: Lab, kind: str) -> Iterator[None]:
    """Run the writer as a job of fleetctl."""
    on_controller(lab, *fleetctl("--job", kind, "start"))
    try:
        yield
    finally:
        on_controller(lab, *fleetctl("--job", kind, "stop"))


@contextmanager
def writing_a_file(lab: Lab, kind: str) -> Iterator[None]:
    """Run the writer without fleetctl, into a file."""
    count = LINES if kind == "bulk" else PULSES
    line = f"cd bench && exec {COMMAND} {kind} {count} >log"
    process = lab.popen("writer", ("sh", "-c", line), stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def follow(lab: Lab, argv: tuple[str, ...]) -> list[tuple[int, bytes]]:
    """Let the writer begin and follow it to its last line; returns the chunks since then, each
    with its time in nanoseconds."""
    go = lab.path("writer", "~/bench/go")
    reader = lab.popen(CONTROLLER, argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert reader.stdout is not None
    chunks: list[tuple[int, bytes]] = []
    deadline = time.monotonic() + TIMEOUT_S
    tail = b""
    try:
        while not (chunks and tail.endswith(b"\nend\n")):
            chunk = reader.stdout.read1(1 << 20)  # type: ignore[attr-defined] # IO lacks it
            tail = (tail + chunk)[-64:]
            if go.exists():
                chunks.append((time.time_ns(), chunk))
            elif tail.endswith(b"waiting\n"):  # what came before is of the last run
                go.touch()
            if not chunk or time.monotonic() > deadline:
                cannot(f"{shlex.join(argv)} ended or stalled after {tail!r}")
    finally:
        go.unlink(missing_ok=True)
        reader.send_signal(signal.SIGINT)
        reader.wait(10)
    return chunks


def rate(chunks: list[tuple[int, bytes]]) -> float:
    """Megabytes a second from the first byte written to the last read; no line may be missing."""
    text = b"".join(chunk for _, chunk in chunks)
    began = re.search(rb"^begin (\d+)\r?$", text, re.M)
    numbers = [int(n) for n in re.findall(rb"^line +(\d+) x+\r?$", text, re.M)]
    if began is None or numbers != list(range(LINES)):
        cannot(f"{len(numbers)} lines arrived whole and in order of {LINES}")
    return LINES * LINE_BYTES / 1e6 / ((chunks[-1][0] - int(began[1])) / 1e9)


def latency(chunks: list[tuple[int, bytes]]) -> float:
    """Median milliseconds from the writing of a line to its arrival."""
    late_ms: list[float] = []
    rest = b""
    for arrived, chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        written = (re.match(rb"pulse \d+ (\d+)", line) for line in lines)
        late_ms += [(arrived - int(pulse[1])) / 1e6 for pulse in written if pulse]
    if len(late_ms) != PULSES:
        cannot(f"{len(late_ms)} of {PULSES} lines arrived")
    return statistics.median(late_ms)


def contenders(
    lab: Lab, kind: str, value: Callable[[list[tuple[int, bytes]]], float]
) -> dict[str, Callable[[], float]]:
    def ours() -> float:
        with writing(lab, kind):
            return value(follow(lab, fleetctl("--job", kind, "logs", "-f")))

    def peer() -> float:
        key = KEY.replace("~", str(lab.home), 1)
        with writing_a_file(lab, kind):
            tail = ("tail", "-n", "+1", "-f", "bench/log")
            return value(follow(lab, ("ssh", "-i", key, "-o", "BatchMode=yes", LOGIN, *tail)))

    return {"fleetctl logs -f": ours, "ssh tail -f": peer}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        nodes_yaml = Path(folder, "nodes.yaml")
        nodes_yaml.write_text(NODES_YAML)
        copies = [(Path(__file__).with_name("writer.py"), "~/bench/writer.py")]
        with virtual_fleet(nodes_yaml, copies) as lab:
            rates = interleave(contenders(lab, "bulk", rate), ROUNDS)
            latencies = interleave(contenders(lab, "pulse", latency), ROUNDS)

    show(f"{LINES * LINE_BYTES / 1e6:.0f} MB, {ROUNDS} rounds", rates, "MB/s")
    ours, peer = rates.values()
    judge("fleetctl logs -f", statistics.median(ours), RATE_TARGET, " MB/s", at_least=True)
    say(f"against ssh tail -f: {ratio(ours, peer):.2f}x its rate")
    say()
    show(f"{PULSES} lines, {ROUNDS} rounds", latencies, "ms, each round's median")
    ours, peer = latencies.values()
    judge("a line's way to stdout", statistics.median(ours), LATENCY_TARGET_MS, " ms")
    say(f"against ssh tail -f: {ratio(ours, peer):.2f}x its time")


if __name__ == "__main__":
    main()
