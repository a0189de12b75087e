"""Wi-Fi interfaces that save power."""

from __future__ import annotations

import re

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.probes.parsers.iw_power_save import parse_power_save
from fleetctl.probes.probe import Ask, NotAsked, Probe, Told

_LINUX = """command -v iw >/dev/null || exit 0
for d in /sys/class/net/wl*; do [ -e "$d" ] || continue
echo "iw ${d##*/} $(iw dev "${d##*/}" get power_save 2>&1)"; done"""


def _read(told: Told) -> tuple[str, ...]:
    said = re.findall(r"^iw (\S+) (.*)$", told.answer.text, re.M)
    return tuple(name for name, state in said if parse_power_save(state) is True)


def _into(facts: NodeFacts, saving: tuple[str, ...]) -> NodeFacts:
    return replace(facts, reliability=replace(facts.reliability, wifi_power_save=saving))


PROBE = Probe(
    name="wifi-power-save",
    when="status",
    on={"linux": Ask(_LINUX, _read), "macos": NotAsked("macOS does not tell")},
    into=_into,
)
