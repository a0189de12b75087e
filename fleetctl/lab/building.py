"""Building a lab, booting its machines, and taking it down without leftovers."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec.structs import replace

from fleetctl.errors import LabError
from fleetctl.lab import (
    controller,
    diskfile,
    linux,
    persistence,
    requirements,
    state,
    wiring,
)
from fleetctl.lab.blueprint import Blueprint, Machine
from fleetctl.lab.copies import Copies
from fleetctl.lab.description import ports_of
from fleetctl.lab.mounts import Mounts, make_folders_above
from fleetctl.lab.namespaces import Process, births_in_new, network_of, popen, tool
from fleetctl.lab.personality import is_mac, personality
from fleetctl.lab.started_at_boot import start
from fleetctl.lab.state import State
from fleetctl.lab.toolbox import Toolbox
from fleetctl.model.topology import Fleet

DISK_SIZE = "2g"
"""Of one machine's disk, a tmpfs: it takes memory only for what is written."""
START_TIMEOUT_S = 60.0
SSH_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0

_INSIDE = [sys.executable, "-E", "-s", "-S", str(Path(__file__).with_name("inside.py"))]

Progress = Callable[[str], None]


def build(
    name: str,
    blueprint: Blueprint,
    fleet: Fleet,
    config: Path,
    copies: Copies,
    mounts: Mounts,
    say: Progress,
) -> None:
    """Build the lab ``name`` in its empty folder.

    :param copies: files or folders, each with its place below the home folders.
    :param mounts: folders that nodes share with this machine.
    :raises LabError: a step failed; what was built so far is left.
    """
    say("making keys")
    home = controller.Home(home_of(name), state.folder(name) / "placed")
    env_files = {i.env_file for job in fleet.jobs.values() for i in job.instances if i.env_file}
    copied = home.copy_config(config, sorted(env_files))
    authorized = _make_keys(name, blueprint, home)

    say(f"building {len(blueprint.segments)} networks and {len(blueprint.nodes)} nodes")
    shared = toolbox_of(name)
    macs = any(is_mac(machine) for machine in blueprint.machines.values())
    shared.build(macs=macs, pythons=mounts.pythons)
    for note in mounts.notes:
        say(note)
    now = replace(_start_keeper(name, blueprint, str(copied)), mounts=mounts.mounts)
    wiring.ip_batch(now.keeper, wiring.bridges(blueprint), "the switch")
    for machine in blueprint.machines.values():
        _furnish(now, machine, home, authorized.get(machine.key, ""))
    _place_copies(now, copies, home.path)
    _make_workdirs(now, fleet, home.path)
    machines = [m for m in blueprint.machines.values() if m.role == "ssh"]
    homes = {linux.home_on(m, disk_of(now, m.key)): m.uid for m in machines}
    make_folders_above(mounts.mounts, homes, home.path)
    now = boot(now, list(blueprint.machines), home.placed)

    say("waiting for the SSH servers")
    for key in blueprint.nodes:
        await_ssh(now, key)
    state.write(replace(now, ready=True))


def _make_keys(name: str, blueprint: Blueprint, home: controller.Home) -> dict[str, str]:
    """Make the host keys and the controller's keys. Returns each node's authorized_keys."""
    public = {}
    for key in blueprint.nodes:
        if blueprint.machines[key].login:
            file = host_key(name, blueprint, key)
            controller.make_key(file, f"root@{key}")
            public[key] = file.with_name(file.name + ".pub").read_text()
    authorized = home.write_ssh(blueprint, public)
    for key, text in authorized.items():
        authorized_keys(name, blueprint, key).write_text(text)
    return authorized


def _furnish(now: State, machine: Machine, home: controller.Home, authorized: str) -> None:
    """Write a machine's disk, for a healthy fleet.

    :param authorized: its account's authorized_keys.
    """
    disk = disk_of(now, machine.key)
    if machine.role == "controller":
        controller.furnish(machine, disk, home.path)
    elif machine.role in ("ssh", "silent"):
        key_file = host_key(now.name, now.blueprint, machine.key) if machine.login else None
        linux.furnish(
            machine,
            disk,
            host_key=key_file,
            authorized=authorized,
            python=requirements.foreign_python(),
        )
        persistence.write(now.blueprint, machine, disk)


def _place_copies(now: State, copies: Copies, controller_home: Path) -> None:
    """Copy what the user wants on every node into the home folders."""
    plan = now.blueprint
    for source, place in copies:
        for key in plan.nodes:
            machine = plan.machines[key]
            if machine.role == "ssh":
                target = linux.home_on(machine, disk_of(now, key))
                linux.copy_into(target, source, place, machine.uid)
        if plan.controller_names:
            linux.copy_into(controller_home, source, place, 0)


def _make_workdirs(now: State, fleet: Fleet, controller_home: Path) -> None:
    """Make the folders that jobs run in, which a user would have put there."""
    for job in fleet.jobs.values():
        for instance in job.instances:
            folder = PurePosixPath(instance.workdir or "~")
            if instance.command is None or folder.parts[0] != "~" or ".." in folder.parts:
                continue
            machine = now.blueprint.machine(instance.node)
            if machine.role == "ssh":
                home = linux.home_on(machine, disk_of(now, machine.key))
                linux.make_folder(home, str(folder.relative_to("~")), machine.uid)
            else:
                linux.make_folder(controller_home, str(folder.relative_to("~")), 0)


def tear_down(name: str) -> None:
    """End every process of the lab ``name``, and with them its namespaces and mounts.

    :raises LabError: a process does not end within :data:`STOP_TIMEOUT_S`.
    """
    keeper = state.living_keeper(name)
    if keeper and not keeper.kill(timeout_s=STOP_TIMEOUT_S):
        raise LabError(
            f"the lab {name!r} does not end: its process {keeper.pid} is stuck",
            hint=f"Try again in a moment: fleetctl lab down {name}",
        )
    state.forget(name)


def boot(now: State, keys: Sequence[str], placed: Mapping[str, str] | None = None) -> State:
    """Start machines, connect their cables, configure addresses and routes.

    :param placed: of :class:`fleetctl.lab.controller.Home`.
    :returns: the new state, which was written to its file.
    :raises LabError: one did not start.
    """
    plan = now.blueprint
    machines = {key: plan.machines[key] for key in keys}
    specs = [_boot_spec(now, machine, placed or {}) for machine in machines.values()]
    answers = _ask_inside(now.keeper, specs)
    started = {key: Process.of(answers[key]) for key in keys}
    now = replace(now, processes={**now.processes, **started})
    state.write(now)
    lines = []
    for key, machine in machines.items():
        lines += wiring.cables(plan, machine, started[key])
    wiring.ip_batch(now.keeper, lines, "the switch")
    for key, machine in machines.items():
        if machine.role in ("ssh", "silent"):
            _bring_up_network(plan, started[key], machine)
        else:
            internet = plan.internet if machine.role == "router" else None
            wiring.ip_batch(started[key], linux.network_commands(machine, internet), key)
    start([(started[key], machine) for key, machine in machines.items()])
    links = [
        (started[k], port, wiring.PortState()) for k, m in machines.items() for port in m.ports
    ]
    wiring.set_links(plan, now.keeper, links)
    return now


def _bring_up_network(plan: Blueprint, process: Process, machine: Machine) -> None:
    """Configure the network as the node's disk says."""
    ports = ports_of(plan, machine)
    lines = persistence.network_lines(machine, ports, process.root)
    wiring.ip_batch(process, lines, machine.key, lenient=True)
    persistence.remember_active(machine, ports, process.root)


def await_ssh(now: State, key: str) -> None:
    """Wait until the SSH server of a node answers with its banner.

    :raises LabError: it does not within :data:`SSH_TIMEOUT_S`.
    """
    login = now.blueprint.machines[key].login
    if login is None:
        return
    deadline = time.monotonic() + SSH_TIMEOUT_S
    while not _greets(now.processes[key], login.port):
        if time.monotonic() > deadline:
            log = diskfile.text(now.processes[key].root, "/var/log/sshd.log").strip()
            said = log or "its log is empty"
            raise LabError(f"{key}: sshd does not answer after {SSH_TIMEOUT_S:g} s: {said}")
        time.sleep(0.01)


def _greets(process: Process, port: int) -> bool:
    with network_of(process), socket.socket() as probe:
        probe.settimeout(2)
        try:
            probe.connect(("127.0.0.1", port))
            return probe.recv(4) == b"SSH-"
        except OSError:
            return False


def home_of(name: str) -> Path:
    """The controller's home: the same path outside and inside."""
    return state.folder(name) / "home"


def toolbox_of(name: str) -> Toolbox:
    """The programs and folders that all nodes of the lab share."""
    return Toolbox(state.folder(name) / "shared")


def host_key(name: str, blueprint: Blueprint, key: str) -> Path:
    """The private host key that a node was built with."""
    return state.folder(name) / "keys" / f"host-{_disk_name(blueprint, key)}"


def authorized_keys(name: str, blueprint: Blueprint, key: str) -> Path:
    """The authorized_keys that a node was built with."""
    return state.folder(name) / "keys" / f"authorized-{_disk_name(blueprint, key)}"


def disk_of(now: State, key: str) -> Path:
    """A machine's disk as seen from outside, through the keeper's root."""
    return now.keeper.root / str(disk_inside(now, key)).lstrip("/")


def disk_inside(now: State, key: str) -> Path:
    """A machine's disk as the keeper sees it."""
    return state.folder(now.name) / "disks" / _disk_name(now.blueprint, key)


def _disk_name(blueprint: Blueprint, key: str) -> str:
    return f"m{list(blueprint.machines).index(key)}"


def _start_keeper(name: str, blueprint: Blueprint, config: str) -> State:
    disks = state.folder(name) / "disks"
    disks.mkdir(mode=0o700)
    spec = {
        "disks": str(disks),
        "sizes": {str(disks / _disk_name(blueprint, key)): DISK_SIZE for key in blueprint.machines},
    }
    argv = [tool("unshare"), "--net", "--mount", "--uts", "--ipc", "--", *_INSIDE, "keeper"]
    with births_in_new():
        keeper = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    now = State(name, state.boot_id(), Process.of(keeper.pid), blueprint, config)
    # The keeper waits for its task until its process id is in the file; if this process dies
    # before, it reads nothing and ends. So there is no lab without a file.
    state.write(now)
    said = _tell(keeper, json.dumps(spec).encode())
    keeper.returncode = 0  # no warning of subprocess: the keeper outlives this process
    if '"pid"' not in said:
        raise LabError(f"the lab's keeper did not start: {said.strip()}")
    return now


def _tell(process: subprocess.Popen[bytes], task: bytes) -> str:
    """Write ``task`` to the process, and read its output until it closes that."""
    assert process.stdin and process.stdout
    with suppress(BrokenPipeError), process.stdin as stdin:  # where it has ended it says why
        stdin.write(task)
    said = b""
    deadline = time.monotonic() + START_TIMEOUT_S
    with process.stdout as output:
        while select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
            part = os.read(output.fileno(), 65536)
            if not part:
                break
            said += part
    return said.decode(errors="replace")


def _ask_inside(keeper: Process, specs: list[dict[str, Any]]) -> dict[str, int]:
    """Start machines in the keeper's namespaces. Returns the process id of each one's process 1."""
    process = popen(
        keeper,
        [*_INSIDE, "machines"],
        confined=False,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
    )
    try:
        out, err = process.communicate(json.dumps(specs).encode(), timeout=START_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise LabError(f"the machines did not start within {START_TIMEOUT_S:g} s") from None
    try:
        answer = json.loads(out)
    except json.JSONDecodeError:
        said = (out + err).decode(errors="replace").strip()
        raise LabError(f"the machines did not start: {said}") from None
    if "error" in answer:
        raise LabError(f"the machines did not start: {answer['error']}")
    for key, one in answer["machines"].items():
        if "error" in one:
            raise LabError(f"{key} did not start: {one['error']}")
    return {key: one["pid"] for key, one in answer["machines"].items()}


def _boot_spec(now: State, machine: Machine, placed: Mapping[str, str]) -> dict[str, Any]:
    roots = {"controller": "controller", "router": "host"}
    places = personality(machine.os if is_mac(machine) else "linux")
    shared = toolbox_of(now.name)
    os_name = "macos" if is_mac(machine) else "linux"
    layers = {n: shared.layer(os_name, n) for n in ("usr", "bin", "sbin")}
    lent = requirements.foreign_python()
    return {
        "key": machine.key,
        "hostname": machine.hostname,
        "disk": str(disk_inside(now, machine.key)),
        "root": roots.get(machine.role, "own"),
        "start": [["/usr/sbin/sshd", "-E", "/var/log/sshd.log"]] if machine.login else [],
        "sysctl": linux.kernel_settings(machine),
        "readable": [str(lent)] if lent else [],
        "mounts": {mount.path_on(machine): mount.source for mount in now.mounts},
        "mac": is_mac(machine),
        "layers": {name: str(path) for name, path in layers.items() if path},
        "programs": str(shared.programs),
        "proc": places.proc,
        "sys": places.sys,
        "reachable": controller.reachable_paths(mount.source for mount in now.mounts),
        "placed": dict(placed),
    }
