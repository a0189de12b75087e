"""What the dashboard costs: until its first frame, while idle, and until it shows a fault.

``python benchmarks/dashboard_cost.py [paint] [live] [idle] [--seconds 30]``

The real program in a terminal of 120x40 cells. First paint: from its exec to the first frame with
all panels, with nodes that answer and with nodes that accept connections and send nothing. Idle:
the processor time of the dashboard and of 5, 50 and 200 OpenSSH servers on the loopback while
nothing changes, and the time from a key to its answer. Live, in the lab of the shipped nodes.yaml:
from a fault or its repair to the frame that shows it.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from loopback import Loopback, loopback
from measure import (
    FLEETCTL,
    cannot,
    environment,
    interleave,
    judge,
    percentile,
    ratio,
    run,
    say,
    show,
)
from terminal import COLUMNS, ESCAPES, ROWS, Terminal
from virtual import fleetctl, on_controller, virtual_fleet

from fleetctl import config
from fleetctl.lab import Lab
from fleetctl.lab.shipped import ELASTIC_PLACE, elastic, nodes_yaml
from fleetctl.model.layout import instance_dir
from fleetctl.model.topology import Fleet

PAINT_TARGET_S, PAINT_ROUNDS = 0.5, 11
IDLE_TARGETS = {5: 2.0, 50: 10.0, 200: 0.0}
"""The most percent of a core, by number of nodes; 0: no target."""
KEY_TARGET_MS, KEY_ROUNDS = 100.0, 12
KEY_PAUSE_S = 0.1
KILLED_TARGET_S, LOST_TARGET_S = 1.0, 6.0
KILLS, CUTS = 7, 5
HEARD_TIMEOUT_S = 120.0
SETTLE_S = 10.0
"""From the last node's first answer to the measurement: questions that are asked once are over."""
PEER_SETTLE_S = 5.0
FAULT_TIMEOUT_S = 45.0
LEAVE = b"\x11"
TICKS = os.sysconf("SC_CLK_TCK")


class Screen(Terminal):
    """A terminal that can wait for what is drawn from some moment on."""

    def clear(self) -> None:
        """Forget what was drawn."""
        with self._news:
            self._drawn.clear()

    def until(self, expected: str, timeout_s: float) -> None:
        """Wait until what was drawn since :meth:`clear` matches ``expected``."""
        wanted = re.compile(expected.encode(), re.DOTALL)
        with self._news:
            if not self._news.wait_for(
                lambda: wanted.search(ESCAPES.sub(b"", bytes(self._drawn))), timeout_s
            ):
                drawn = ESCAPES.sub(b"", bytes(self._drawn)).decode(errors="replace")
                self.process.kill()
                cannot(f"no {expected!r} was drawn within {timeout_s:g} s; last: {drawn[-2000:]}")


@contextmanager
def dashboard(
    argv: Sequence[str], home: Path, size: tuple[int, int] = (COLUMNS, ROWS)
) -> Iterator[Screen]:
    """The program in a terminal with colours; left by its key afterwards."""
    env = {**environment(home), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    del env["NO_COLOR"]
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # the first call, which is not counted, compiles
    screen = Screen(argv, env, size)
    try:
        yield screen
        screen.end(LEAVE)
    finally:
        if screen.process.poll() is None:
            screen.process.kill()
            screen.process.wait()


# First paint


def paint() -> None:
    """First paint, with the start of other programs for comparison."""
    with loopback(5) as servers, silent(servers) as mute_nodes:
        answering = servers.nodes_yaml(5)
        contenders: dict[str, Callable[[], float]] = {
            "first paint, nodes answer": lambda: first_frame(answering, servers.folder),
            "first paint, nodes are silent": lambda: first_frame(mute_nodes, servers.folder),
            "python -c 'import textual.app'": lambda: ended(
                sys.executable, "-c", "import textual.app"
            ),
            "python -c pass": lambda: ended(sys.executable, "-c", "pass"),
        }
        if top := shutil.which("top"):
            contenders["top -b -n 1"] = lambda: ended(top, "-b", "-n", "1")
        for measure in contenders.values():
            measure()  # the first call reads from the disk
        results = interleave(contenders, PAINT_ROUNDS)
    show(f"first paint, {PAINT_ROUNDS} rounds", results, "s")
    ours, mute, textual, *_ = results.values()
    judge("first paint", statistics.median(ours), PAINT_TARGET_S, " s")
    judge("first paint, nodes silent", statistics.median(mute), PAINT_TARGET_S, " s")
    say(f"first paint against importing Textual alone: {ratio(ours, textual):.2f}x")


def first_frame(path: Path, home: Path) -> float:
    began = time.perf_counter()
    with dashboard((*FLEETCTL, "-f", str(path)), home) as screen:
        screen.until(r"Topology.*Nodes.*Logs.*Problems", HEARD_TIMEOUT_S)
        return time.perf_counter() - began


def ended(*argv: str) -> float:
    return run(argv).wall_s


@contextmanager
def silent(servers: Loopback) -> Iterator[Path]:
    """A nodes.yaml of nodes that accept a connection and say nothing."""
    with ExitStack() as stack:
        port = 0
        for host in servers.hosts:
            listener = stack.enter_context(socket.create_server((host, port), backlog=64))
            port = listener.getsockname()[1]
        path = replace(servers, port=port).nodes_yaml(len(servers.hosts))
        yield path.rename(path.with_name("silent.yaml"))


# Idle


def idle(seconds: float) -> None:
    """The dashboard while nothing happens, and two other tools that show less."""
    missing = [name for name in ("tmux", "clush", "ssh") if shutil.which(name) is None]
    if missing:
        cannot(f"{', '.join(missing)} missing: apt-get install tmux clustershell openssh-client")
    with loopback(max(IDLE_TARGETS)) as servers:
        give_way()
        for count, target in IDLE_TARGETS.items():
            say(f"{count} nodes, {seconds:g} s of nothing happening; {load()}")
            share = ours(servers, count, seconds)
            if target:
                judge(f"the dashboard of {count} nodes", share, target, " % of a core")
            peers(servers, count, seconds)
            say()


def ours(servers: Loopback, count: int, seconds: float) -> float:
    argv = (*FLEETCTL, "-f", str(servers.nodes_yaml(count)))
    with dashboard(argv, servers.folder) as screen:
        began = time.perf_counter()
        screen.until(rf"{count}/{count} nodes", HEARD_TIMEOUT_S)
        heard_s = time.perf_counter() - began
        time.sleep(SETTLE_S)
        nodes = list(node_pids().values())[:count]
        pid = screen.process.pid
        own, theirs, wall = cpu_s(pid), family_cpu_s(nodes), time.perf_counter()
        time.sleep(seconds)
        wall = time.perf_counter() - wall
        share = 100 * (cpu_s(pid) - own) / wall
        node = 1e3 * (family_cpu_s(nodes) - theirs) / wall / count
        say(f"  all heard of after {heard_s:.1f} s; memory {rss_mb(pid):.0f} MB")
        say(f"  the dashboard {share:.2f} % of a core; each node {node:.1f} ms of its own a second")
        keys(screen, count)
    return share


def keys(screen: Screen, count: int) -> None:
    """Time keys whose answers only the key can cause."""
    asked = [
        ("help", b"?", r"─ Help"),
        ("back", b"q", r"─ Problems"),
        ("open the field", b"n", r"part of a name|▁▁▁▁"),
        ("find a node", b"4", rf"Nodes · \d+ of {count}"),
        ("find none", b"\x7f", r"─ Nodes( ·[^─]*)? ─"),
        ("", b"\r", r"\bn1\b"),  # not counted: it may be drawn at any time
    ]
    if count > 30:  # more than fit: the first and the last are not visible together
        asked += [
            ("each node", b"\x1b[C", r"\bn3\b"),
            ("last node", b"G", rf"\bn{count}\b"),
            ("first node", b"g", r"\bn3\b"),
            ("folded", b"\x1b[D", rf"▸ {count} nodes"),
        ]
    times: dict[str, list[float]] = {}
    spent_s: dict[str, float] = {}
    for _ in range(KEY_ROUNDS):
        for what, typed, answer in asked:
            before_s = cpu_s(screen.process.pid)
            took_ms = screen.answer_ms(typed, answer)
            time.sleep(KEY_PAUSE_S)
            if what:
                times.setdefault(what, []).append(took_ms)
                more_s = cpu_s(screen.process.pid) - before_s
                spent_s[what] = spent_s.get(what, 0.0) + more_s
    both = sorted(value for values in times.values() for value in values)
    for what, values in times.items():
        own_ms = 1e3 * spent_s[what] / len(values)
        say(f"    {what:14} {statistics.median(values):7.1f} {max(values):7.1f}  ms, "
            f"median and most; {own_ms:.0f} ms of processor")  # fmt: skip
    say(f"  a key's answer: p50 {statistics.median(both):.1f} ms of {len(both)}")
    judge("  a key's answer, p99", percentile(both, 99), KEY_TARGET_MS, " ms")


def peers(servers: Loopback, count: int, seconds: float) -> None:
    """The load of every host every 2 s, by other tools, which ask less than fleetctl.

    tmux with a window and an ``ssh`` per host; ``clush`` in a loop.
    """
    hosts = servers.hosts[:count]
    ssh = f"ssh -F {servers.folder}/ssh_config"
    windows = [f"{ssh} {host} 'while :; do uptime; sleep 2; done'" for host in hosts]
    env = {**environment(servers.folder), "TERM": "xterm-256color"}
    base = ("tmux", "-u", "-S", f"{servers.folder}/peer", "-f", "/dev/null")
    screen = Screen((*base, "new-session", windows[0]), env)
    try:
        screen.until("load average", HEARD_TIMEOUT_S)
        tmux = [*base, *shlex.split("display-message -p '#{pid}'")]
        server = int(subprocess.run(tmux, capture_output=True, check=True, text=True).stdout)
        for window in windows[1:]:
            subprocess.run([*base, "new-window", "-d", window], check=True)
        time.sleep(PEER_SETTLE_S)
        say(f"  tmux, a window and ssh a node: {share_of([server], seconds):.2f} % of a core")
    finally:
        subprocess.run([*base, "kill-server"], check=False, capture_output=True)
        screen.process.wait(10)
        os.close(screen.master)

    options = f"-F {servers.folder}/ssh_config"
    clush = shlex.join(["clush", "-b", "-f", "64", "-o", options, "-w", ",".join(hosts), "uptime"])
    with subprocess.Popen(
        ["sh", "-c", f"while :; do {clush}; sleep 2; done"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as loop:
        time.sleep(PEER_SETTLE_S)
        say(f"  clush -b uptime, every 2 s: {share_of([loop.pid], seconds):.2f} % of a core")
        os.killpg(loop.pid, signal.SIGKILL)


# Processor time, by proc_pid_stat(5)


def share_of(pids: Sequence[int], seconds: float) -> float:
    """Percent of a core of processes and their descendants."""
    before, began = family_cpu_s(pids), time.perf_counter()
    time.sleep(seconds)
    return 100 * (family_cpu_s(pids) - before) / (time.perf_counter() - began)


def stat(pid: int) -> list[str]:
    """The fields after the command's name: state, parent, and so on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    """Processor time of the process without its children."""
    return sum(map(int, stat(pid)[11:13])) / TICKS


def family_cpu_s(roots: Sequence[int]) -> float:
    """Processor time of the processes and their descendants, also of ended ones."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            fields = stat(int(folder.name))
            parents[int(folder.name)] = int(fields[1])
            ticks[int(folder.name)] = sum(map(int, fields[11:15]))
    wanted = set(roots)

    def is_ours(pid: int) -> bool:
        while pid not in wanted:
            if pid not in parents:
                return False
            pid = parents[pid]
        return True

    return sum(ticks[pid] for pid in ticks if is_ours(pid)) / TICKS


def node_pids() -> dict[str, int]:
    """The root process of each node by address, in the order of their start."""
    found: dict[str, int] = {}
    tasks = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for pid in map(int, tasks):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if match := re.search(rb"sshd_config-([\d.]+)", command):
            found[match[1].decode()] = pid
    return found


def give_way(nice: int = 19) -> None:
    """Real nodes are other machines: the dashboard has priority over these."""
    for root in node_pids().values():
        children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
        for pid in (root, *map(int, children)):
            os.setpriority(os.PRIO_PROCESS, pid, nice)


def rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def load() -> str:
    return f"load of this machine's {os.cpu_count()} processors: {os.getloadavg()[0]:.1f}"


# Live

VICTIM, CUT, FROZEN = "pi4", "pi5", "mini2"


def live() -> None:
    """Time from a fault, and from its end, to the screen."""
    with tempfile.TemporaryDirectory(prefix="fleetctl-bench-") as name:
        path = Path(name) / "nodes.yaml"
        # no restarts: a killed worker stays failed until it is started
        text = nodes_yaml().read_text("utf-8")
        path.write_text(re.sub(r"(?m)^ +restart: .*\n", "", text), "utf-8")
        with virtual_fleet(path, [(elastic(), ELASTIC_PLACE)]) as lab:
            on_controller(lab, *fleetctl("start"))
            argv = fleetctl("lab", "run", "--name", lab.name, "--", *fleetctl())
            with dashboard(argv, Path(name)) as screen:
                screen.until(r"5/5 r(eady|anks)", FAULT_TIMEOUT_S)
                results = faults(lab, config.load(path), screen)
    show(f"from the fault to the screen; {load()}", results, "s")
    judge("killed, shown as failed", statistics.median(results["worker killed"]),
          KILLED_TARGET_S, " s")  # fmt: skip
    for what in ("packets vanish", "SSH server stopped"):
        judge(f"{what}, shown as lost", statistics.median(results[what]), LOST_TARGET_S, " s")


def faults(lab: Lab, fleet: Fleet, screen: Screen) -> Mapping[str, list[float]]:
    results: dict[str, list[float]] = {}

    def timed(what: str, act: Callable[[], object], shown: str) -> None:
        screen.clear()
        began = time.perf_counter()
        act()
        screen.until(shown, FAULT_TIMEOUT_S)
        results.setdefault(what, []).append(time.perf_counter() - began)

    worker = f"worker@{VICTIM}"
    state = instance_dir(fleet.name, next(iter(fleet.jobs)), worker).removeprefix("~/")
    kill = f"kill -9 $(sed -n s/^pid=//p ~/{state}/state)"
    start = fleetctl("start", "--no-check", worker)
    for _ in range(KILLS):
        timed("worker killed", lambda: lab.run(VICTIM, ["sh", "-c", kill]),
              rf"{VICTIM} +worker +✖ failed")  # fmt: skip
        screen.clear()
        on_controller(lab, *start)
        screen.until(rf"{VICTIM} +worker +● ready", FAULT_TIMEOUT_S)
    for what, kind, node in (
        ("packets vanish", "wifi-blackhole", CUT),
        ("SSH server stopped", "sshd-hang", FROZEN),
    ):
        for _ in range(CUTS):
            timed(what, lambda k=kind, n=node: lab.fault(k, n),  # type: ignore[misc]  # mypy infers no lambda's defaults
                  rf"{node} +worker .*lost \d+")  # fmt: skip
            timed(f"{what}, no more", lambda k=kind, n=node: lab.heal(k, n),  # type: ignore[misc]  # as above
                  rf"{node} +worker +● ready")  # fmt: skip
    return results


PARTS: dict[str, Callable[[float], None]] = {
    "paint": lambda _: paint(),
    "live": lambda _: live(),
    "idle": idle,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them")
    parser.add_argument("--seconds", type=float, default=30, help="of nothing happening")
    asked = parser.parse_args()
    # as with Ctrl-C: dashboard and servers are ended
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    for part in asked.parts or PARTS:
        PARTS[part](asked.seconds)
        say()


if __name__ == "__main__":
    main()
