"""Every kind of fault fits a machine, is described, has an effect and can be undone."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

from fleetctl import config
from fleetctl.errors import LabError
from fleetctl.lab import Lab, faults, shipped
from fleetctl.lab.building import disk_of
from fleetctl.lab.draft import draw
from fleetctl.lab.faults.kind import FaultKind
from fleetctl.lab.faults.registry import KINDS
from fleetctl.lab.namespaces import Process, network_of, popen
from tests.conftest import MakeLab
from tests.e2e.trials import EXPECTED
from tests.lab.fleets import MACS
from tests.lab.observe import eventually

PAGE = (Path(__file__).parents[2] / "docs" / "lab.md").read_text("utf-8")


def test_every_kind_that_is_written_down_is_in_the_registry() -> None:
    """And no two kinds have one name."""
    modules = [import_module(f"{faults.__name__}.{m.name}") for m in iter_modules(faults.__path__)]
    values = [value for module in modules for value in vars(module).values()]
    families = [value for value in values if isinstance(value, tuple)]
    listed = [kind for family in families for kind in family if isinstance(kind, FaultKind)]
    assert sorted(kind.name for kind in listed) == sorted(KINDS)
    assert {value.name for value in values if isinstance(value, FaultKind)} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_kind_is_described_and_fits_the_shipped_fleet(kind: FaultKind) -> None:
    plan = draw(config.load(shipped.nodes_yaml()))
    assert any(kind.places(plan, plan.machines[key]) for key in plan.nodes)
    assert kind.sentence.endswith(".")
    assert re.match(r"it |no ", kind.lacks), "it follows on the name of a machine"


def test_the_page_has_every_kind_and_where_it_lives() -> None:
    told = re.findall(r"^\| `([a-z-]+)` \| .+ \| (\w+) \|$", PAGE, re.M)
    assert told == [(kind.name, kind.lives) for kind in KINDS.values()]


def test_it_is_written_down_what_each_kind_must_be_called() -> None:
    assert sorted(EXPECTED) == sorted(KINDS)


# -- on a real lab ---------------------------------------------------------------------------------


JOB = """\
jobs:
  job:
    services:
      server: {on: mini1, command: exec sleep 1000, listen: "fabric:7000"}
"""


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Lab:
    return make_lab(MACS + JOB)


SETTINGS = ("etc/NetworkManager", "etc/ssh", "etc/sudoers.d", "etc/sysctl.d", "Library", "run/iw")
OF_INSTANCES = ("silent-process", "out-of-memory")
INSTANCE = ("sleep", "1000")
"""The command of an instance that runs where a fault is about instances."""
PROGRAMS = (
    *("usr/bin/tmux", "opt/homebrew/bin/tmux", "usr/bin/ip", "usr/sbin/ip", "usr/bin/python3"),
    *("bin/date", "usr/bin/date"),
)


def seen(lab: Lab, node: str) -> dict[str, object]:
    """What a fault of ``node`` can change, read from outside the node."""
    now = lab.state
    ports = _ip(now.keeper, "link", "show", "type", "veth")
    found: dict[str, object] = {
        f"port {p['ifname']}": (p["operstate"], p.get("master")) for p in ports
    }
    process = now.processes.get(node)
    if process is None:
        return found
    root, machine = process.root, now.blueprint.machines[node]
    files = [
        *PROGRAMS,
        ".lab/throttled",
        "run/kernel.log",
        *(str(f) for f in _settings(root, machine.home)),
    ]
    found |= {name: _content(root / name) for name in files}
    found[".lab/throttled"] = found[".lab/throttled"] or b"0x0\n"  # as vcgencmd reads it
    found["addresses"] = {
        i["ifname"]: sorted(f"{a['local']}/{a['prefixlen']}" for a in i["addr_info"])
        for i in _ip(process, "-4", "address")
    }
    found["routes"] = sorted(map(str, _ip(process, "route")))
    found["forwarding"] = _in_network(process, "cat", "/proc/sys/net/ipv4/ip_forward")
    silent = "/proc/sys/net/ipv4/icmp_echo_ignore_all"
    found["stealth"] = _in_network(process, "cat", silent)
    sockets = _in_network(process, "ss", "-Htln").splitlines()
    found["listening"] = sorted(line.split()[3] for line in sockets)
    found["sshd"] = set(_states(process, "sshd"))
    found["instance"] = sorted(_states(process, INSTANCE[0]))
    found["disk"] = os.statvfs(disk_of(now, node)).f_blocks
    return found


def _settings(root: Path, home: str) -> Iterator[Path]:
    for folder in (*SETTINGS, f"{home.strip('/')}/.ssh"):
        for file in sorted((root / folder).rglob("*")):
            if not file.is_dir():
                yield file.relative_to(root)


def _content(file: Path) -> bytes | str | None:
    """The content, or the target of a symbolic link, which is a path in the node."""
    if file.is_symlink():
        return str(file.readlink())
    return file.read_bytes() if file.exists() else None


def _ip(process: Process, *question: str) -> list[dict[str, Any]]:
    return list(json.loads(_in_network(process, "ip", "-json", *question)))


def _in_network(process: Process, *argv: str) -> str:
    with network_of(process):
        return subprocess.check_output(argv, text=True)


def _states(process: Process, program: str) -> Iterator[str]:
    """Whether each process of the program lives or is stopped, in the process's PID namespace."""
    namespace = Path(f"/proc/{process.pid}/ns/pid").readlink()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "ns/pid").readlink() == namespace:
                _, name, state = re.split(r"[()]", (folder / "stat").read_text())
                letter = state.split()[0]  # of proc_pid_stat(5)
                if name == program and letter != "Z":
                    yield "stopped" if letter in "Tt" else "lives"
        except OSError:
            continue  # it ended meanwhile


@pytest.mark.lab
@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_kind_changes_something_that_healing_brings_back(lab: Lab, kind: FaultKind) -> None:
    plan = lab.blueprint
    node = next(key for key in plan.nodes if kind.places(plan, plan.machines[key]))
    with instance_on(lab, node) if kind.name in OF_INSTANCES else nullcontext():
        before = seen(lab, node)
        lab.fault(kind.name, node)
        eventually(lambda: seen(lab, node) != before, "something that `seen` looks at changes")
        assert [fault.kind for fault in lab.heal(kind.name, node)] == [kind.name]
        if kind.name == "out-of-memory":
            before["instance"] = seen(lab, node)["instance"]  # it does not come back
        eventually(lambda: seen(lab, node) == before, "all is as before")


@contextmanager
def instance_on(lab: Lab, node: str) -> Iterator[None]:
    """A process with the mark of a run."""
    process = popen(
        lab.state.processes[node], INSTANCE, env={"PATH": "/usr/bin:/bin", "FLEETCTL_RUN": "ab12"}
    )
    try:
        comm = Path(f"/proc/{process.pid}/comm")
        eventually(lambda: comm.read_text() == f"{INSTANCE[0]}\n", "it runs")
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.lab
def test_where_nothing_runs_nothing_falls_silent(lab: Lab) -> None:
    node = next(iter(lab.blueprint.nodes))
    with pytest.raises(LabError, match=f"{node}: no instance runs there"):
        lab.fault("silent-process", node)
    assert not lab.state.faults
