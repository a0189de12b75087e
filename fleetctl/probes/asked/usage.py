"""How busy the processors are, and what goes through the network interfaces.

Systems count since the boot; a rate is the difference between two looks, by the node's own clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import PortUse
from fleetctl.probes.parsers.netstat_bytes import parse_netstat_bytes
from fleetctl.probes.parsers.number import decimal, whole
from fleetctl.probes.parsers.unparsed import known
from fleetctl.probes.probe import PartOf, Probe, Told

LINUX = r"""
read -r boot </proc/sys/kernel/random/boot_id; echo "boot $boot"
read -r cpu ticks </proc/stat && echo "ticks $ticks"
{ read -r head; read -r head; while read -r port in a b c d e f g out rest; do
case $port in lo: | veth*) continue ;; esac
hardware=; [ ! -e "/sys/class/net/${port%:}/device" ] || hardware=hardware
echo "port ${port%:} $in $out $hardware"
done; } </proc/net/dev
"""
"""proc(5): /proc/stat and /proc/net/dev, by builtins. Part of the text of ``system``."""
MACOS = r"""
netstat -ibn
ps -A -o %cpu= | awk '{ s += $1 } END { if (NR) printf "processes %.1f\n", s }'
"""
"""ps(1) tells how busy each process was lately, in percent of one processor. Macs count no ticks
that a program without root could read."""
MAC_CLOCK = "kern.bootsessionuuid kern.monotonicclock_usecs"
"""Names for sysctl; the second is a clock that nobody sets, in microseconds."""
SHORTEST_S = 1.0
"""Over less time no rate is told."""
_SUMMED = 8
"""The numbers after these, in a line of ticks, are counted in these already."""
_IDLE, _WAITING = 3, 4


class Counters(Struct, frozen=True):
    """What a node had counted at one moment."""

    at_s: float | None = None
    """By a clock of the node that only goes forward; else by the controller's. None: not known."""
    boot: str = ""
    ticks: tuple[int, int] | None = None
    """Of all processors: those in which they were busy, and all. None: not told."""
    ports: Mapping[str, tuple[int, int]] = {}
    """By interface: bytes in and out."""
    hardware: frozenset[str] = frozenset()
    """Those of ``ports`` that are hardware: what else there is goes through these."""


class Usage(Struct, frozen=True):
    """What a node's counters say, with the rates since an earlier look."""

    counters: Counters
    cpu_percent: float | None = None
    ports: Mapping[str, PortUse] = {}
    anew: tuple[str, ...] = ()
    """Interfaces whose counters began anew since."""


def _linux(told: Told) -> Usage:
    boot, at_s, ticks = "", None, None
    ports, hardware = {}, set()
    for words in map(str.split, told.answer.text.splitlines()):
        match words:
            case ["boot", word]:
                boot = word
            case ["uptime", up]:
                at_s = decimal(up)
            case ["ticks", *numbers]:
                ticks = _ticks(numbers)
            case ["port", name, received, sent, *kind]:
                bytes_in, bytes_out = whole(received), whole(sent)
                if bytes_in is not None and bytes_out is not None:
                    ports[name] = (bytes_in, bytes_out)
                    hardware |= {name} if kind else set()
    return Usage(Counters(at_s, boot, ticks, ports, frozenset(hardware)))


def _ticks(numbers: list[str]) -> tuple[int, int] | None:
    """proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal, and parts of these."""
    ticks = [tick for tick in map(whole, numbers[:_SUMMED]) if tick is not None]
    if len(ticks) <= _WAITING:
        return None
    return sum(ticks) - ticks[_IDLE] - ticks[_WAITING], sum(ticks)


def _macos(told: Told) -> Usage:
    named = {key: rest for key, _, rest in map(_pair, told.answer.text.splitlines())}
    used, cpus = decimal(named.get("processes")), whole(named.get("hw.ncpu:"))
    clock = whole(named.get("kern.monotonicclock_usecs:", "").partition(" ")[0])
    ports = known(parse_netstat_bytes(told.answer.text)) or {}
    return Usage(
        Counters(
            told.asked_s if clock is None else clock / 1e6,
            named.get("kern.bootsessionuuid:", ""),
            None,
            ports,
            frozenset(name for name in ports if name.startswith("en")),
        ),
        _percent(used / cpus) if used is not None and cpus else None,
    )


def _pair(line: str) -> tuple[str, str, str]:
    return line.partition(" ")


def _percent(value: float) -> float:
    return round(min(max(value, 0.0), 100.0), 1)


def _renew(old: Usage, new: Usage) -> Usage:
    """``new``, with the rates since ``old``; none over a boot, or where a counter began anew."""
    before, now = old.counters, new.counters
    if before.at_s is None or now.at_s is None or before.boot != now.boot:
        return new
    took_s = now.at_s - before.at_s
    if 0 <= took_s < SHORTEST_S:
        return old
    if took_s < 0:
        return new
    rates = dict(_rates(before.ports, now.ports, took_s))
    return Usage(
        now,
        new.cpu_percent if now.ticks is None else _busy(before.ticks, now.ticks),
        rates,
        tuple(name for name in now.ports if name in before.ports and name not in rates),
    )


def _busy(before: tuple[int, int] | None, now: tuple[int, int]) -> float | None:
    if before is None:
        return None
    busy, total = now[0] - before[0], now[1] - before[1]
    return _percent(100 * busy / total) if 0 <= busy <= total and total else None


def _rates(
    before: Mapping[str, tuple[int, int]], now: Mapping[str, tuple[int, int]], took_s: float
) -> Iterator[tuple[str, PortUse]]:
    for name, (bytes_in, bytes_out) in now.items():
        if name in before:
            received, sent = bytes_in - before[name][0], bytes_out - before[name][1]
            if received >= 0 and sent >= 0:
                yield name, PortUse(round(received / took_s), round(sent / took_s))


def _into(facts: NodeFacts, usage: Usage) -> NodeFacts:
    counted = _counted(facts, usage.counters)
    rates = [usage.ports[name] for name in counted if name in usage.ports]
    whole_node = bool(rates) and len(rates) == len(counted)
    system = facts.system
    if system is not None:
        system = replace(
            system,
            cpu_percent=usage.cpu_percent,
            net_in_bytes_per_s=sum(r.in_bytes_per_s for r in rates) if whole_node else None,
            net_out_bytes_per_s=sum(r.out_bytes_per_s for r in rates) if whole_node else None,
        )
    anew = {f"use of {name}": "its counters began anew" for name in usage.anew}
    return replace(
        facts,
        system=system,
        network=replace(facts.network, use=usage.ports),
        unknown={**facts.unknown, **anew},
    )


def _counted(facts: NodeFacts, counters: Counters) -> frozenset[str]:
    """The interfaces that make up what the node sends and receives, each byte counted once: its
    hardware, else, as in a container, what has a hardware address and an IPv4 address."""
    own = frozenset(i.name for i in facts.network.interfaces or () if i.mac and i.addresses)
    return counters.hardware or own.intersection(counters.ports)


PROBE = Probe(
    name="usage",
    when="status",
    on={"linux": PartOf("system", _linux), "macos": PartOf("system", _macos)},
    into=_into,
    renew=_renew,
)
