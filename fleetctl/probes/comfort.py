"""What makes a healthy node an unreliable one: clock, sleep, power, a firewall that hides it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from fleetctl.model.facts import Comfort
from fleetctl.model.questions import Depth
from fleetctl.probes.parsers.iw_power_save import parse_power_save
from fleetctl.probes.parsers.pmset import parse_pmset
from fleetctl.probes.parsers.socketfilterfw import parse_firewall
from fleetctl.probes.parsers.unparsed import known
from fleetctl.probes.parsers.vcgencmd import parse_throttled
from fleetctl.probes.probe import Answer, Probe

NAME = "comfort"
_CLOCK = "date +clock:%s\n"
_LINUX = """command -v iw >/dev/null || exit 0
for d in /sys/class/net/wl*; do [ -e "$d" ] || continue
echo "iw ${d##*/} $(iw dev "${d##*/}" get power_save 2>&1)"; done"""
_MACOS = "pmset -g\n/usr/libexec/ApplicationFirewall/socketfilterfw --getstealthmode"


def comfort_probe(depth: Depth) -> Probe:
    """The clock is asked by a check alone: no shell knows it, and a status of many nodes is
    quicker by every process that it does not start."""
    clock = _CLOCK if depth == "check" else ""
    return Probe(name=NAME, linux=clock + _LINUX, macos=clock + _MACOS)


def read_comfort(
    os: str, answers: Mapping[str, Answer], now_s: float | None = None
) -> Comfort | None:
    """None where the node said nothing of it.

    :param now_s: the controller's clock when the answer came, in epoch seconds.
    """
    answer = answers.get(NAME)
    if answer is None:
        return None
    text = answer.text
    clock = re.search(r"^clock:([0-9]{1,15})$", text, re.M)
    # the node tells whole seconds: half a second is its most likely remainder
    offset = int(clock[1]) + 0.5 - (time.time() if now_s is None else now_s) if clock else None
    throttled = known(parse_throttled(answers["system"].text)) if "system" in answers else None
    saving = []
    for name, said in re.findall(r"^iw (\S+) (.*)$", text, re.M):
        if parse_power_save(said) is True:
            saving.append(name)
    settings = known(parse_pmset(text)) if os == "macos" else None
    firewall = known(parse_firewall(text)) if os == "macos" else None
    return Comfort(
        clock_offset_s=None if offset is None else round(offset, 1),
        sleep_minutes=settings.sleep_minutes if settings else None,
        wifi_power_save=tuple(saving),
        undervoltage=throttled.under_voltage_now if throttled else None,
        undervoltage_since_boot=throttled.under_voltage_since_boot if throttled else None,
        stealth=firewall.stealth if firewall else None,
    )
