"""The machine: OS, processor, memory, disk, temperature. One probe, read line by line."""

from __future__ import annotations

import re
import time

from fleetctl.model.status import SystemStatus
from fleetctl.probes.probe import Answer, Machine, Probe

SYSTEM = Probe(
    name="system",
    # builtins wherever possible: at 200 nodes every process that is not started counts
    linux=r"""
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
df -Pk "$HOME"
""",
    macos=r"""
echo "version macOS $(sw_vers -productVersion)"
echo "boottime $(sysctl -n kern.boottime)"
echo "load $(sysctl -n vm.loadavg)"
echo "cpus $(sysctl -n hw.ncpu)"
echo "memsize $(sysctl -n hw.memsize)"
vm_stat
df -Pk "$HOME"
""",
)


def read_system(machine: Machine, answer: Answer, now_s: float | None = None) -> SystemStatus:
    """What of the answer could be understood; the rest is null.

    :param now_s: the time to count macOS's boot time from, in epoch seconds.
    """
    lines = answer.text.splitlines()
    named = {key: rest for key, _, rest in (line.partition(" ") for line in lines)}
    total, used = _memory(machine.os, named, answer.text)
    throttled = re.search(r"^throttled=0x([0-9a-fA-F]+)", answer.text, re.M)
    return SystemStatus(
        os=machine.os,
        os_version=named.get("version", "").strip() or None,
        arch=machine.arch,
        hostname=machine.hostname,
        uptime_s=_uptime(named, time.time() if now_s is None else now_s),
        load1=_number(named.get("load", "").strip("{ ")),
        cpus=_cpus(named),
        memory_total_bytes=total,
        memory_used_bytes=used,
        disk_free_bytes=_disk_free(answer.text),
        temperature_c=_scaled(named.get("millidegrees"), 0.001),
        # low four bits: under-voltage, frequency capped, throttled, soft limit, right now
        throttled=bool(int(throttled[1], 16) & 0xF) if throttled else None,
    )


def _number(text: str | None) -> float | None:
    match = re.match(r"[0-9]{1,18}(?:[.,][0-9]{1,9})?", text or "")
    return float(match[0].replace(",", ".")) if match else None


def _int(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else int(number)


def _scaled(text: str | None, factor: float) -> float | None:
    number = _number(text)
    return None if number is None else round(number * factor, 1)


def _uptime(named: dict[str, str], now_s: float) -> int | None:
    boot = re.search(r"sec = ([0-9]{1,18})", named.get("boottime", ""))
    return max(0, int(now_s) - int(boot[1])) if boot else _int(named.get("uptime"))


def _cpus(named: dict[str, str]) -> int | None:
    """macOS says a number; Linux the online ones as ranges, such as ``0-3,6``."""
    if (cpus := _int(named.get("cpus"))) is not None:
        return cpus
    ranges = re.findall(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", named.get("online", ""))
    return sum(int(last or first) - int(first) + 1 for first, last in ranges) or None


def _disk_free(text: str) -> int | None:
    # POSIX df -P: file system, blocks, used, available, capacity, mount point; blanks in names
    match = re.search(r"\s([0-9]+)\s+([0-9]+)\s+(-?[0-9]{1,18})\s+[0-9]+%", text)
    return int(match[3]) * 1024 if match else None


def _memory(os_name: str, named: dict[str, str], text: str) -> tuple[int | None, int | None]:
    if os_name != "macos":
        total, free = (_int(named.get(key)) for key in ("MemTotal:", "MemAvailable:"))
        if total is None:
            return None, None
        return total * 1024, None if free is None else (total - free) * 1024
    page = re.search(r"page size of ([0-9]{1,9}) bytes", text)
    # used is what applications, the kernel and the compressor hold; file cache is not
    kinds = (r"^Pages active", r"^Pages wired down", r"^Pages occupied by compressor")
    pages = [re.search(rf"{kind}:\s+([0-9]{{1,18}})\.", text, re.M) for kind in kinds]
    used = (
        sum(int(match[1]) for match in pages if match) * int(page[1])
        if page and all(pages)
        else None
    )
    return _int(named.get("memsize")), used
