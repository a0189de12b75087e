"""What a node has to start instances at boot, and how it gets what nodes.yaml wants."""

from __future__ import annotations

import plistlib
import shlex
import subprocess
from ipaddress import IPv4Address
from pathlib import Path
from shutil import which

import pytest
from msgspec.structs import replace

from fleetctl.health.finding import Finding
from fleetctl.health.remedies import plan
from fleetctl.health.repairs.boot_start import boot_unlike, daemon_text, unit_text
from fleetctl.lab import boot_units
from fleetctl.model.facts import BootStart, NodeFacts
from fleetctl.model.jobs import AtBoot
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.questions import Questions
from fleetctl.model.topology import SSH, Fleet, Node
from fleetctl.probes.asked.boot_start import PROBE
from fleetctl.probes.probe import Ask, Told
from fleetctl.probes.script import Answer, Machine
from tests.health.facts import facts
from tests.launch.jobs import job

WANTED = {"at_boot": AtBoot({"fabric": IPv4Address("10.0.0.1")})}
NODES = {name: Node(name, SSH(name)) for name in ("pi5", "mini1")}
JOB = job({"server": (["pi5"], []), "worker": (["pi5", "mini1"], ["server"])}, worker=WANTED)
FLEET = Fleet("home", {}, NODES, {"job": JOB})
NOTHING = Fleet("home", {}, NODES, {"job": job({"worker": (["pi5", "mini1"], [])})})
UNIT = unit_text(FLEET, "pi5") or ""
PI5 = BootStart("pi", "/home/pi", manager=True, text=UNIT, own_right=True)
MAC = BootStart("me", "/Users/me", manager=True, text=None)
FILE = "~/.config/systemd/user/fleetctl-home.service"
LOST = "does not start job/worker@pi5 again by itself after a power cut"


def known(found: BootStart, os: str) -> NodeFacts:
    return facts(system=SystemStatus(os=os), boot_start=found)


def unlike(fleet: Fleet, found: BootStart) -> str | None:
    told = boot_unlike(fleet, "pi5", found, macos=False)
    return told[0] if told else None


def steps(fleet: Fleet, node: str, found: BootStart) -> list[tuple[str, str]]:
    finding = Finding("boot-start-differs", node)
    made = plan(fleet, finding, known(found, "macos" if node == "mini1" else "linux"))
    assert all(step.lasts and step.does for step in made.steps)
    return [(step.command, step.undo) for step in made.steps]


@pytest.mark.parametrize(
    ("fleet", "found", "what"),
    [
        (FLEET, PI5, None),
        (NOTHING, replace(PI5, text=None), None),
        (FLEET, replace(PI5, text=None), f"{LOST}: there is no {FILE}"),
        (FLEET, replace(PI5, text=UNIT + " "),
         f"{LOST} as nodes.yaml says: {FILE} is another one"),
        (FLEET, replace(PI5, enabled=False), f"{LOST}: {FILE} is not wanted at boot"),
        (FLEET, replace(PI5, lingers=False),
         f"{LOST}: pi does not linger, so its units start at a login only"),
        (FLEET, replace(PI5, manager=False), f"{LOST}: it has no systemd"),
        (NOTHING, PI5, f"starts what nodes.yaml does not want started at boot ({FILE})"),
    ],
)  # fmt: skip
def test_what_differs_is_told(fleet: Fleet, found: BootStart, what: str | None) -> None:
    assert unlike(fleet, found) == what


def test_what_is_not_known_is_not_judged() -> None:
    assert boot_unlike(FLEET, "pi5", None, macos=False) is None


def run(home: Path, command: str) -> None:
    subprocess.run(["sh", "-c", command], env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
                   check=True, timeout=20)  # fmt: skip


def test_the_unit_is_written_found_and_taken_away(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    home.mkdir()
    asked = PROBE.on["linux"]
    assert isinstance(asked, Ask)
    assert callable(asked.text)
    text = asked.text(Questions("home", "pi5"))

    def found() -> BootStart:
        env = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            ["sh", "-c", text], env=env, capture_output=True, text=True, timeout=20, check=True
        )
        told = asked.read(Told(Answer(done.stdout, 0), Machine(), Questions("home", "pi5")))
        assert isinstance(told, BootStart)
        return replace(told, manager=True, lingers=True, own_right=True)

    before = found()
    assert (before.text, before.enabled) == (None, False)
    [(install, undo)] = steps(FLEET, "pi5", before)
    run(home, install)
    there = found()
    assert (there.text, there.enabled, there.home) == (UNIT, True, str(home))
    assert unlike(FLEET, there) is None
    assert steps(FLEET, "pi5", there) == []
    [(remove, back)] = steps(NOTHING, "pi5", there)
    run(home, remove)
    assert (found().text, found().enabled) == (None, False)
    run(home, back)
    assert found() == there
    run(home, undo)
    assert found() == before


@pytest.mark.skipif(which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    (tmp_path / "fleetctl-home.service").write_text(UNIT)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "fleetctl-home.service"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_only_what_needs_root_runs_as_root() -> None:
    idle = replace(PI5, lingers=False)
    assert steps(FLEET, "pi5", idle) == [("loginctl enable-linger", "loginctl disable-linger")]
    assert steps(FLEET, "pi5", replace(idle, own_right=False)) == [
        ("sudo loginctl enable-linger pi", "sudo loginctl disable-linger pi")
    ]


def test_without_systemd_it_is_told_what_to_do() -> None:
    made = plan(
        FLEET,
        Finding("boot-start-differs", "pi5"),
        known(replace(PI5, manager=False, text=None), "linux"),
    )
    assert made.steps == ()
    [note] = made.notes
    assert note.startswith("pi5 has no systemd")


def test_a_mac_gets_a_daemon_of_the_account() -> None:
    [(install, undo)] = steps(FLEET, "mini1", MAC)
    path = "/Library/LaunchDaemons/dev.fleetctl.boot.home.plist"
    assert install.startswith(f"sudo sh -c 'f={path}; ")
    assert undo == f"sudo rm -f {path}"
    text = daemon_text(FLEET, "mini1", MAC) or ""
    content = plistlib.loads(text.encode())
    assert content["UserName"] == "me"
    assert content["Label"] == "dev.fleetctl.boot.home"
    assert (
        content["ProgramArguments"][-1] == "/Users/me/.local/state/fleetctl/home/job/worker@mini1"
    )
    assert steps(FLEET, "mini1", replace(MAC, text=text)) == []
    [(remove, back)] = steps(NOTHING, "mini1", replace(MAC, text=text))
    assert (remove, back) == (undo, install)


def test_the_unit_starts_each_that_is_wanted(tmp_path: Path) -> None:
    """As systemd and launchd read them, what both run starts those with a program, side by side."""
    ran = []
    line = next(x for x in UNIT.splitlines() if x.startswith("ExecStart=")).partition("=")[2]
    daemon = plistlib.loads((daemon_text(FLEET, "pi5", PI5) or "").encode())
    for words in (boot_units._words(line, "/home/pi"), daemon["ProgramArguments"]):
        *program, folder = words
        assert folder == "/home/pi/.local/state/fleetctl/home/job/worker@pi5"
        for name in ("one", "two"):
            (tmp_path / name / "boot").mkdir(parents=True, exist_ok=True)
        (tmp_path / "one/boot/program").write_text('echo "$1"')
        argv = [*program, str(tmp_path / "one"), str(tmp_path / "two")]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
        ran.append(done.stdout)
    assert ran == [f"{tmp_path}/one\n"] * 2
    assert shlex.split(line)[:2] == ["/bin/sh", "-c"]
