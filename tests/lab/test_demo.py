"""`fleetctl demo` in a terminal, with a script in place of the dashboard."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import yaml

from fleetctl import config, demo
from fleetctl.errors import LabError
from fleetctl.lab import Lab, shipped, state
from fleetctl.lab.draft import draw
from fleetctl.lab.faults.registry import KINDS
from fleetctl.lab.loopback import LOOPBACK_KINDS, LoopbackLab
from fleetctl.lab.requests import ask, serving
from fleetctl.lab.tour import scenarios
from fleetctl.model.topology import Fleet
from tests.e2e.screen import Screen
from tests.e2e.terminal import Outside, Terminal
from tests.lab.fleets import PAIR
from tests.lab.observe import eventually

pytestmark = pytest.mark.lab

ARGV = (sys.executable, "-m", "fleetctl")

# In place of the dashboard: plays a scenario of the tour, and prints a line for each step.
STAND_IN = """\
import asyncio, json, subprocess, sys
from fleetctl import demo

def codes():
    done = subprocess.run(["fleetctl", "status", "--json"], capture_output=True, check=False)
    found = json.loads(done.stdout)
    return [p["code"] for p in found["problems"]], found

async def main():
    assert demo.present()
    print("stand-in:", demo.about().lab, flush=True)
    scenarios = {scenario.id: scenario for scenario in await demo.tour()}
    for wanted in sys.argv[1:]:
        scenario = scenarios[wanted]
        print("said:", await demo.inject(scenario), flush=True)
        seen = codes()[0]
        print("seen:", scenario.id, seen == [scenario.code], seen, flush=True)
        print("said:", await demo.heal(scenario), flush=True)
        print("mended:", scenario.id, codes()[0] == [], flush=True)
    print("asking", flush=True)
    print("key", sys.stdin.readline(), flush=True)

asyncio.run(main())
"""


class Demo(Terminal):
    """A demo in a terminal of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(Outside(folder), [*ARGV, "demo", *options], columns=120)
        self.name = f"demo-{self.process.pid}"

    def __enter__(self) -> Demo:
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for lab in (Lab(self.name), LoopbackLab(self.name)):
            lab.down()  # of a test that failed

    def left(self) -> list[str]:
        """What is left of its lab, of either kind."""
        return [n for n in (*state.left_behind(), *LoopbackLab.left_behind()) if n == self.name]


@pytest.fixture
def stand_in(tmp_path: Path) -> str:
    """The command in place of the dashboard."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    return f"{sys.executable} {tmp_path}/stand_in.py"


def test_the_shipped_fleet_comes_up_is_broken_mended_and_gone(
    tmp_path: Path, stand_in: str
) -> None:
    scenario = "forwarding-off@mini3"
    with Demo(tmp_path, "--then", f"{stand_in} {scenario}") as shown:  # no nodes.yaml here
        shown.wait_for("stand-in: demo-", 40)
        shown.wait_for(f"seen: {scenario} True", 20)
        shown.wait_for(f"mended: {scenario} True", 20)
        shown.wait_for("asking")
        lab = Lab.open(shown.name)
        assert (lab.home / "demo.sock").stat().st_mode & 0o777 == 0o600
        keeper = lab.state.keeper
        shown.type("x\n")
        assert shown.wait_for_end(20) == 0
        assert "all 5 ready" in shown.text
        assert "demo: taking it all down" in shown.text
        assert shown.left() == []
        assert not keeper.alive


STEPS = "echo connected to it; n=0; while n=$((n+1)); do echo step $n; sleep 1; done"
SERVICES = {
    "server": {"on": "mini1", "command": STEPS},
    "worker": {"on": ["mini2", "mini3", "pi5", "pi4"], "after": ["server"], "command": STEPS},
}


def on_linux(text: str) -> str:
    """The shipped fleet with Linux in place of macOS, and services that only count."""
    fleet = yaml.safe_load(text.replace("os: macos", "os: linux"))
    return yaml.safe_dump({**fleet, "jobs": {"edp": {"services": SERVICES}}}, sort_keys=False)


@pytest.mark.parametrize("shipped_fleet", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_first_time_user(tmp_path: Path, shipped_fleet: bool) -> None:
    """Sees what runs, breaks something, repairs it, attaches, comes back, leaves."""
    if not shipped_fleet:
        text = on_linux(shipped.nodes_yaml().read_text())
        (tmp_path / "nodes.yaml").write_text(text)

    def here(argv: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False, timeout=20)

    with Screen(here, [*ARGV, "demo"]) as screen:
        text = screen.until("This is a demo fleet", "5/5 r", "nothing is wrong", timeout_s=60)
        assert re.search("mini1 +server ● ready", text)
        screen.type("d")
        screen.until("3. mini3 stops forwarding")
        screen.type("Down", "Down", "Enter")
        screen.until("✖ forwarding-off  mini3 does not forward packets", "mini3 stops forwarding")
        screen.type("F")
        screen.until("y runs 1 command on mini3")
        screen.type("y")
        screen.until("all is as nodes.yaml wants it")
        screen.back()
        screen.type("a")
        screen.until("Ctrl-b Ctrl-b d)", "step")
        screen.type("C-b", "d")
        screen.until("Left the window of server@mini1; it runs on.")
        screen.type("q")
        screen.until("demo: taking it all down", "left with 0")
    left = [*state.left_behind(), *LoopbackLab.left_behind()]
    assert not [n for n in left if n.startswith("demo-")]


def test_on_the_loopback_and_the_terminal_is_closed(tmp_path: Path, stand_in: str) -> None:
    shown = Demo(tmp_path, "--loopback", "--then", f"{stand_in} kill@server@mini1 tmux-killed@pi4")
    try:
        shown.wait_for("no routes, gateways, forwarding or cables", 40)
        for scenario in ("kill@server@mini1", "tmux-killed@pi4"):
            shown.wait_for(f"seen: {scenario} True", 20)
            shown.wait_for(f"mended: {scenario} True", 20)
        shown.wait_for("asking")
        keeper = psutil.Process(LoopbackLab.open(shown.name).state.keeper.pid)
    finally:
        shown.hang_up()
        with shown:
            assert shown.process.wait(20) == 128 + signal.SIGHUP
    assert shown.left() == []
    assert not keeper.is_running()


_ENDED_CHILD = """
import os, signal, subprocess, time
import psutil
from fleetctl.cli.demo import _ended_by_signals

with _ended_by_signals():
    kept = subprocess.Popen(["true"])
    child = psutil.Process(kept.pid)
    while child.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except SystemExit as end:
        print(end.code, psutil.pid_exists(child.pid))
"""


def test_a_child_that_ended_before_the_signal_does_not_keep_the_lab_from_ending() -> None:
    """The kernel ends a lab's PID namespace only after all zombies in it were reaped."""
    argv = [sys.executable, "-c", _ENDED_CHILD]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "143 False\n"


@pytest.mark.parametrize(
    ("options", "moment"),
    [
        ((), "building 1 networks"),
        ((), "starting the job"),
        (("--loopback",), "SSH servers on 127"),
        (("--loopback",), "starting the job"),
    ],
)
def test_ctrl_c_while_it_comes_up_leaves_nothing(
    tmp_path: Path, stand_in: str, options: tuple[str, ...], moment: str
) -> None:
    (tmp_path / "nodes.yaml").write_text(
        PAIR + "jobs: {j: {services: {s: {on: [a, b], command: sleep 4800, ready: {delay: 60}}}}}\n"
    )
    with Demo(tmp_path, *options, "--then", stand_in) as shown:
        shown.wait_for(moment, 20)
        shown.type("\x03\x03")  # pressed twice
        assert shown.wait_for_end(20) == 130
        assert "stand-in" not in shown.text
        assert "Traceback" not in shown.text
        assert shown.left() == []


def test_killed_it_leaves_nothing_on_the_loopback(tmp_path: Path, stand_in: str) -> None:
    (tmp_path / "nodes.yaml").write_text(PAIR)  # without a job
    with Demo(tmp_path, "--loopback", "--then", stand_in) as shown:
        shown.wait_for("asking", 20)
        assert "nodes.yaml has no job to start" in shown.text
        keeper = psutil.Process(LoopbackLab.open(shown.name).state.keeper.pid)
        shown.process.kill()
        eventually(lambda: not keeper.is_running(), "the lab ends with the demo")
        assert shown.left() == []


def test_a_stand_in_that_fails_is_the_exit_code_and_a_signal_ends_it(
    tmp_path: Path, stand_in: str
) -> None:
    (tmp_path / "nodes.yaml").write_text(PAIR)
    with Demo(tmp_path, "--loopback", "--then", "sh -c 'stty raw; exit 9'") as shown:
        before = termios.tcgetattr(shown._fd)
        assert shown.wait_for_end(20) == 9
        assert termios.tcgetattr(shown._fd) == before
        assert shown.left() == []
    with Demo(tmp_path, "--loopback", "--then", stand_in) as shown:
        shown.wait_for("asking", 20)
        shown.process.terminate()
        assert shown.wait_for_end(20) == 128 + signal.SIGTERM
        assert shown.left() == []


def without_a_terminal(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ARGV, "demo", *options],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.long  # test_a_first_time_user sees it, too
def test_without_a_terminal_training_is_seen(tmp_path: Path) -> None:
    done = without_a_terminal(tmp_path)
    assert done.returncode == 0, done.stderr
    losses = re.findall(r"^server@mini1 \| .* step \d+ loss (\S+)", done.stdout, re.MULTILINE)
    assert float(losses[-1]) < float(losses[0])
    assert done.stderr.endswith("demo: taking it all down\n")


def test_without_a_terminal_and_kept(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(
        PAIR + "jobs: {j: {services: {s: {on: [a, b], command: echo hello; exit 3}}}}\n"
    )
    done = without_a_terminal(tmp_path, "--loopback", "--keep")
    name = done.stderr.rsplit("fleetctl lab down ", 1)[1].strip()
    try:
        assert done.returncode == 1  # as status exits
        assert "s@a" in done.stdout
        assert "failed" in done.stdout
        assert "s@b | hello" in done.stdout
        again = subprocess.run(
            [*ARGV, "lab", "run", "--name", name, "--", "fleetctl", "logs"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert "s@a | hello" in again.stdout
    finally:
        LoopbackLab(name).down()


# -- the tour ------------------------------------------------------------------------------------


def fleet_of(text: str) -> Fleet:
    return config.load_text(text, "nodes.yaml")


def tour(fleet: Fleet, *, loopback: bool = False) -> list[str]:
    plan = draw(fleet, as_guide=False)

    def places(kind: str, node: str) -> list[str | None]:
        if loopback:
            return [None] if kind in LOOPBACK_KINDS else []
        return KINDS[kind].places(plan, plan.machines[node]) if kind in KINDS else []

    job = next(iter(fleet.jobs.values()), None)
    return [scenario.id for scenario in scenarios(fleet, job, places)]


def test_the_tour_through_the_shipped_fleet() -> None:
    fleet = config.load(shipped.nodes_yaml())
    assert tour(fleet) == [
        "kill@worker@mini2",
        "edge-down@pi4",
        "forwarding-off@mini3",
        "route-missing@pi4",
        "wifi-down@mini2",
        "power-off@pi4",
        "kill@server@mini1",
        "tmux-killed@pi4",
        "return-route-missing@mini3",
        "sshd-hang@pi4",
        "disk-full@pi4",
    ]
    assert tour(fleet, loopback=True) == [
        "kill@worker@mini2",
        "node-down@pi4",
        "node-down@mini1",
        "kill@server@mini1",
        "tmux-killed@pi4",
    ]


def test_the_tour_through_a_fleet_with_little_in_it() -> None:
    assert tour(fleet_of(PAIR)) == ["wifi-down@b", "power-off@b", "sshd-hang@b", "disk-full@b"]
    with_pad = "  pad: {connection: none, addresses: {lan: 172.20.0.3}}\n  c: {connection: local}\n"
    assert tour(fleet_of(PAIR + with_pad)) == tour(fleet_of(PAIR))


# -- requests ------------------------------------------------------------------------------------


@contextmanager
def answering(folder: Path) -> Iterator[Path]:
    def answer(request: Any) -> dict[str, object]:
        if "refuse" in request or request["do"] == "heal":
            raise LabError("it cannot be done", hint="Do something else.")
        return {"said": request["do"]}

    path = folder / "sock"
    with serving(path, answer):
        yield path
    assert not path.exists()


def test_requests_are_answered_or_refused_in_one_sentence(tmp_path: Path) -> None:
    with answering(tmp_path) as path:
        assert ask(path, {"do": "it"}, timeout_s=5) == {"said": "it"}
        with pytest.raises(LabError, match=r"it cannot be done\. Do something else"):
            ask(path, {"refuse": 1}, timeout_s=5)
    with pytest.raises(LabError, match="does not answer"):
        ask(path, {"do": "it"}, timeout_s=5)


def test_the_dashboard_side_says_in_one_sentence_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = demo.Scenario("refuse", "t", "n", "f", "l", None, "heal", "r")

    def said(call: Callable[[], Coroutine[Any, Any, object]]) -> str:
        with pytest.raises(LabError) as caught:
            asyncio.run(call())
        return str(caught.value)

    monkeypatch.delenv(demo.VARIABLE, raising=False)
    assert not demo.present()
    assert said(demo.tour) == "this is no demo. Start one: fleetctl demo"
    about = tmp_path / "about.json"
    monkeypatch.setenv(demo.VARIABLE, str(about))
    assert demo.present()
    assert said(demo.tour).startswith("the demo's file cannot be read: ")
    about.write_bytes(msgspec.json.encode(demo.Demo(str(tmp_path / "sock"), "lab", "note")))
    assert said(demo.tour).startswith("the demo does not answer: ")
    with answering(tmp_path):
        assert said(lambda: demo.heal(scenario)) == "it cannot be done. Do something else"
        assert asyncio.run(demo.inject(scenario)) == "fault"
