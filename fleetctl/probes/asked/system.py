"""The machine: OS, processor, memory, disk, temperature, throttling."""

from __future__ import annotations

import re

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.node_status import SystemStatus
from fleetctl.probes.asked import usage
from fleetctl.probes.parsers.boottime import parse_boottime
from fleetctl.probes.parsers.loadavg import parse_loadavg
from fleetctl.probes.parsers.number import decimal, whole
from fleetctl.probes.parsers.thermal import parse_thermal
from fleetctl.probes.parsers.unparsed import known
from fleetctl.probes.parsers.vcgencmd import Throttled, parse_throttled
from fleetctl.probes.parsers.vm_stat import parse_vm_stat
from fleetctl.probes.probe import Ask, NotAsked, PartOf, Probe, Told
from fleetctl.probes.script import Answer, Machine

# shell builtins wherever possible: with 200 nodes each process less counts
_LINUX = rf"""
( . /etc/os-release; echo "version $ID $VERSION_ID" )
read up rest </proc/uptime && echo "uptime $up"
read load rest </proc/loadavg && echo "load $load"
read cpus </sys/devices/system/cpu/online && echo "online $cpus"
while read key value unit; do case $key in
MemTotal:) echo "$key $value";;
MemAvailable:) echo "$key $value"; break;;  # dash reads byte by byte: no further than this
esac; done </proc/meminfo
if [ -r /sys/class/thermal/thermal_zone0/temp ]; then
read t </sys/class/thermal/thermal_zone0/temp && echo "millidegrees $t"; fi
command -v vcgencmd >/dev/null && vcgencmd get_throttled
{usage.LINUX}
df -Pk "$HOME"
"""
# what not every Mac may tell comes last
_MACOS = rf"""
echo "version macOS $(sw_vers -productVersion)"
echo "now $(date +%s)"
sysctl kern.boottime vm.loadavg hw.ncpu hw.memsize vm.swapusage {usage.MAC_CLOCK}
vm_stat
{usage.MACOS}
df -Pk "$HOME"
"""


def read_system(machine: Machine, answer: Answer) -> SystemStatus:
    """The system's status; what was not understood is None."""
    text = answer.text
    named = {key: rest for key, _, rest in (line.partition(" ") for line in text.splitlines())}
    total, used = _memory(machine.os, named, text)
    celsius = known(parse_thermal(named.get("millidegrees", "")))
    throttled = _parsed_throttled(text)
    return SystemStatus(
        os=machine.os,
        os_version=named.get("version", "").strip() or None,
        arch=machine.arch,
        hostname=machine.hostname,
        uptime_s=_uptime(named),
        load1=known(parse_loadavg(named.get("load") or named.get("vm.loadavg:", ""))),
        cpus=_cpus(named),
        memory_total_bytes=total,
        memory_used_bytes=used,
        disk_free_bytes=_disk_free(text),
        temperature_c=None if celsius is None else round(celsius, 1),
        throttled=None if throttled is None else throttled.now,
    )


def _uptime(named: dict[str, str]) -> int | None:
    """Seconds since the boot: macOS tells its boot time, by its own clock, Linux its uptime."""
    now_s = whole(named.get("now"))
    started_s = known(parse_boottime(named.get("kern.boottime:", "")))
    if now_s is not None and started_s is not None:
        return max(0, now_s - started_s)
    up_s = decimal(named.get("uptime"))
    return None if up_s is None else int(up_s)


def _cpus(named: dict[str, str]) -> int | None:
    """The number of processors: macOS tells it, Linux lists them as ranges, such as ``0-3,6``."""
    if (cpus := whole(named.get("hw.ncpu:"))) is not None:
        return cpus
    ranges = re.findall(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", named.get("online", ""))
    return sum(int(last or first) - int(first) + 1 for first, last in ranges) or None


def _disk_free(text: str) -> int | None:
    # POSIX df -P: file system, blocks, used, available, capacity, mount point; blanks in names
    match = re.search(r"\s([0-9]+)\s+([0-9]+)\s+(-?[0-9]{1,18})\s+[0-9]+%", text)
    return int(match[3]) * 1024 if match else None


def _memory(os_name: str, named: dict[str, str], text: str) -> tuple[int | None, int | None]:
    if os_name == "macos":
        pages = known(parse_vm_stat(text))
        return whole(named.get("hw.memsize:")), pages.used_bytes if pages else None
    total, free = (whole(named.get(key)) for key in ("MemTotal:", "MemAvailable:"))
    if total is None:
        return None, None
    return total * 1024, None if free is None else (total - free) * 1024


def _read(told: Told) -> SystemStatus:
    return read_system(told.machine, told.answer)


def _into(facts: NodeFacts, system: SystemStatus) -> NodeFacts:
    return replace(facts, system=system)


def _throttled(told: Told) -> Throttled | None:
    return _parsed_throttled(told.answer.text)


def _parsed_throttled(text: str) -> Throttled | None:
    """None on a machine that is no Raspberry Pi."""
    # First the quick test: most machines are none, and on failure the parser is slow.
    return known(parse_throttled(text)) if "throttled=" in text else None


def _throttled_into(facts: NodeFacts, throttled: Throttled) -> NodeFacts:
    return replace(
        facts,
        reliability=replace(
            facts.reliability,
            undervoltage=throttled.under_voltage_now,
            undervoltage_since_boot=throttled.under_voltage_since_boot,
        ),
    )


PROBES = (
    Probe(
        name="system",
        when="status",
        on={"linux": Ask(_LINUX, _read), "macos": Ask(_MACOS, _read)},
        into=_into,
    ),
    Probe(
        name="throttling",
        when="status",
        on={
            "linux": PartOf("system", _throttled),
            "macos": NotAsked("only a Raspberry Pi tells of its supply voltage"),
        },
        into=_throttled_into,
    ),
)
