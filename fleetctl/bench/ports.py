"""What the interfaces at a link's ends say of themselves: the speed that they run at. Pure.

Linux: ``/sys/class/net/IF/speed``, in Mbit/s, which is -1 or an error where the driver does not
know it, as for Wi-Fi (Documentation/ABI/testing/sysfs-class-net). An interface without a device
behind it (veth, bridge) names a speed that means nothing. macOS: the ``media`` of ifconfig; of a
Thunderbolt Bridge what system_profiler says of the ports that lead to another Mac, and which RDMA
devices ``ibv_devices`` lists: macOS 26.2 has it, and lists those of Thunderbolt 5 ports once
``rdma_ctl enable`` was run in macOS Recovery (Apple's TN3205).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fleetctl.escaping import visible
from fleetctl.model.bench import Port
from fleetctl.model.topology import OS
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.ifconfig import parse_blocks
from fleetctl.probes.parsers.number import decimal, whole
from fleetctl.probes.parsers.system_profiler import parse_thunderbolt
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.quoting import quote

_LINUX = r"""for i in %s; do
[ -e "/sys/class/net/$i/device" ] || continue
echo "port $i $(cat "/sys/class/net/$i/speed" 2>/dev/null || echo -) \
$(cat "/sys/class/net/$i/duplex" 2>/dev/null || echo -)"
done
"""
_MACOS = 'for i in %s; do ifconfig "$i" 2>/dev/null; done\n'
_THUNDERBOLT = (
    "system_profiler SPThunderboltDataType -json 2>/dev/null; echo\n"
    "command -v ibv_devices >/dev/null && { echo rdma; ibv_devices 2>/dev/null; }\n:\n"
)

_LINE = re.compile(r"port (\S{1,32}) (-|-?\d{1,9}) (\S{1,16})", re.ASCII)
_MEDIA = re.compile(r"\b(\d{1,5})(G?)[bB]ase", re.ASCII)
_RDMA = re.compile(r"^\s*(rdma_[A-Za-z0-9]{1,16})\b", re.ASCII | re.MULTILINE)
_GBIT = re.compile(r"(\d{1,4}(?:\.\d)?) ?Gb/s", re.ASCII)


def ports_text(interfaces: Sequence[str], os: OS, *, thunderbolt: bool) -> str:
    """The sh text that asks for ``interfaces``.

    :param thunderbolt: ask a Mac for its Thunderbolt ports, too, which takes a second or more.
    """
    names = " ".join(map(quote, interfaces))
    if os == "linux":
        return _LINUX % names
    return _MACOS % names + (_THUNDERBOLT if thunderbolt else "")


def read_ports(node: str, interfaces: Mapping[str, str], text: str, os: OS) -> dict[str, Port]:
    """By network: the port; never raises.

    :param interfaces: by network, the interface that has the node's address there.
    """
    speeds = _linux(text) if os == "linux" else _macos(text)
    return {
        network: Port(node, network, interface, *speeds.get(interface, (None, None)))
        for network, interface in interfaces.items()
    }


_Speeds = dict[str, tuple[float | None, str | None]]


def _linux(text: str) -> _Speeds:
    found: _Speeds = {}
    for name, speed, duplex in _LINE.findall(text):
        mbit_s = whole(speed) or None
        half = " half duplex" if duplex == "half" else ""
        found[name] = (mbit_s, f"{mbit_s} Mbit/s{half}" if mbit_s else None)
    return found


def _macos(text: str) -> _Speeds:
    blocks = parse_blocks(text)
    found: _Speeds = {}
    cables = _cables(text)
    for block in () if isinstance(blocks, Unparsed) else blocks:
        media = _MEDIA.search(block.media or "")
        if media is not None:
            mbit_s = int(media[1]) * (1000.0 if media[2] else 1.0)
            found[block.name] = (mbit_s, visible(block.media or ""))
        elif block.members and cables:
            says = f"{_named(cables)}{_rdma(text)}"
            found[block.name] = (max(cables.values()) * 1000.0, says)
    return found


def _cables(text: str) -> dict[str, float]:
    """By Thunderbolt port that leads to another Mac: its speed in Gbit/s."""
    begin = text.find("{\n")
    ports = parse_thunderbolt(text[begin:]) if begin >= 0 else unparsed(text)
    found: dict[str, float] = {}
    for port in () if isinstance(ports, Unparsed) else ports:
        speed = _GBIT.search(port.speed or "")
        gbit_s = decimal(speed[1]) if speed else None
        if port.peer_uuid is not None and gbit_s:
            found[visible(port.receptacle or "?")] = gbit_s
    return found


def _named(cables: Mapping[str, float]) -> str:
    return ", ".join(f"Thunderbolt {port}: {gbit_s:g} Gb/s" for port, gbit_s in cables.items())


def _rdma(text: str) -> str:
    """A clause about RDMA; empty where the system has no such thing."""
    _, asked, listed = text.partition("\nrdma\n")
    if not asked:
        return ""
    devices = _RDMA.findall(listed)
    return f"; RDMA: {', '.join(devices)}" if devices else "; RDMA: no device is enabled"
