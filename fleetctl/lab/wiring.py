"""The switch, with one bridge per network, and the links of machines to it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from fleetctl.errors import LabError
from fleetctl.lab.blueprint import Blueprint, Machine, Port
from fleetctl.lab.namespaces import Process, popen, tool
from fleetctl.lab.personality import MACOS

IP_TIMEOUT_S = 30
_RELAY = (sys.executable, "-I", "-S", str(Path(__file__).with_name("relay.py")))


def ip_batch(process: Process, lines: Iterable[str], what: str, *, lenient: bool = False) -> None:
    """Run lines of `ip -batch` in the network namespace of ``process``.

    Process ids in the lines are those of this process's PID namespace.

    :param what: for the error message.
    :param lenient: skip lines that are refused, as a boot does with wrong settings on disk.
    :raises LabError: a line was refused.
    """
    text = "".join(f"{line}\n" for line in lines)
    if not text:
        return
    argv = [tool("nsenter"), f"--target={process.pid}", "--net", "--", tool("ip")]
    argv += ["-force", "-batch", "-"] if lenient else ["-batch", "-"]
    done = subprocess.run(
        argv, input=text.encode(), capture_output=True, timeout=IP_TIMEOUT_S, check=False
    )
    if done.returncode != 0 and not lenient:
        reason = done.stderr.decode(errors="replace").strip().replace("\n", "; ")
        raise LabError(f"{what}: ip refused it: {reason}")


SETTLE_TIMEOUT_S = 10.0
IFF_UP = 0x1  # netdevice(7)
BRIDGE_PORT_FORWARDING = 3  # BR_STATE_FORWARDING of linux/if_bridge.h


def bridges(blueprint: Blueprint) -> list[str]:
    """The lines of `ip -batch` that make the switch."""
    lines = ["link set lo up"]
    for segment in blueprint.segments.values():
        lines.append(f"link add {segment.bridge} type bridge stp_state 0 mcast_snooping 0")
        lines.append(f"link set {segment.bridge} up")
    return lines


def cables(blueprint: Blueprint, machine: Machine, process: Process) -> list[str]:
    """The lines that connect ``machine``, with process 1 ``process``, to the switch."""
    lines = []
    for port in machine.ports:
        bridge = blueprint.segments[port.network].bridge
        end = f"name {port.interface} address {port.mac} netns {process.pid}"
        lines.append(f"link add {port.switch_port} index {_index(port)} type veth peer {end}")
        lines.append(f"link set {port.switch_port} master {bridge}")
    return lines


def _index(port: Port) -> int:
    """The interface index of the switch's end, which must differ from that of the machine's end.

    If both are equal, the kernel does not see a pair, and reports a change of carrier up to a
    second late (linkwatch_urgent_event in net/core/link_watch.c).
    """
    machine, network = port.switch_port.removeprefix("p").split(".")
    return 100_000 + 1_000 * int(machine) + int(network)


def unplug(machine: Machine) -> list[str]:
    """The lines that remove the machine's cables."""
    return [f"link delete {port.switch_port}" for port in machine.ports]


class PortState(Struct, frozen=True):
    """The state of a port."""

    carrier: bool = True
    """Whether the machine's interface has a carrier."""
    joined: bool = True
    """Whether its packets reach the network."""
    loss: float = 0.0
    """The share of its frames that is lost, each way."""
    delay_ms: float = 0.0
    """By how much its frames are late, each way."""
    mbit_s: float = 0.0
    """The most that it carries, each way; 0: no limit."""

    @property
    def relayed(self) -> bool:
        """Whether a relay stands between it and the network, which loses or delays frames."""
        return self.joined and bool(self.loss or self.delay_ms or self.mbit_s)


def set_links(
    blueprint: Blueprint,
    keeper: Process,
    links: Sequence[tuple[Process, Port, PortState]],
) -> None:
    """Set the state of ports, and wait until it is in effect.

    :param links: process 1 of a machine, a port of that machine, and its wanted state.
    :raises LabError: the kernel refused, or the state did not settle within seconds.
    """
    lines = []
    for _, port, link in links:
        bridge = blueprint.segments[port.network].bridge
        lines.append(f"link set {port.switch_port} {'up' if link.carrier else 'down'}")
        joined = link.joined and not link.relayed
        membership = f"master {bridge}" if joined else "nomaster"
        lines.append(f"link set {port.switch_port} {membership}")
        outer, inner = _relay_ends(port)
        if (keeper.root / "sys/class/net" / outer).exists():
            lines.append(f"link delete {outer}")  # its relay ends by that
        if link.relayed:
            lines.append(f"link add {outer} type veth peer name {inner}")
            lines.append(f"link set {outer} master {bridge}")
            lines += [f"link set {end} up" for end in (outer, inner)]
    ip_batch(keeper, lines, "the switch")
    for _, port, link in links:
        if link.relayed:
            _start_relay(keeper, port, link)
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    for process, port, link in links:
        while not _settled(keeper, process, port, link):
            if time.monotonic() > deadline:
                raise LabError(
                    f"the link of {port.interface} ({port.network}) does not become as it should",
                    hint="Look at it: fleetctl lab status",
                )
            time.sleep(0.005)


def _relay_ends(port: Port) -> tuple[str, str]:
    """The names of the cable from a port's relay to the network's bridge: its end there, and the
    relay's."""
    number = port.switch_port.removeprefix("p")
    return f"r{number}", f"q{number}"


def _start_relay(keeper: Process, port: Port, link: PortState) -> None:
    """Start the program that passes the port's frames on; it ends with its cable, or the lab."""
    inner = _relay_ends(port)[1]
    argv = [*_RELAY, port.switch_port, inner]
    argv += [str(value) for value in (link.loss, link.delay_ms, link.mbit_s)]
    relay = popen(
        keeper,
        argv,
        confined=False,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
    )
    _, err = relay.communicate(timeout=IP_TIMEOUT_S)
    if relay.returncode != 0:
        reason = err.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise LabError(f"the relay of {port.interface} ({port.network}): {reason[0]}")


def _settled(keeper: Process, process: Process, port: Port, link: PortState) -> bool:
    """Whether both ends have the state: the kernel reports a change of carrier a little later."""
    folders = (process.root / "sys/class/net", process.root / MACOS.sys.strip("/") / "class/net")
    interface = next((f for f in folders if f.is_dir()), folders[0]) / port.interface
    switch_port = keeper.root / "sys/class/net" / port.switch_port
    try:
        if not int((interface / "flags").read_text(), 16) & IFF_UP:
            return True  # switched off on the machine itself
        if not link.carrier:
            return (interface / "operstate").read_text().strip() != "up"
        ends = (interface, switch_port)
        if any((end / "operstate").read_text().strip() != "up" for end in ends):
            return False
        member = _relay_ends(port)[0] if link.relayed else port.switch_port
        state = keeper.root / "sys/class/net" / member / "brport/state"
        return not link.joined or int(state.read_text()) == BRIDGE_PORT_FORWARDING
    except FileNotFoundError:
        return False
