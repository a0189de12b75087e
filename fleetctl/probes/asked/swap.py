"""How much of the memory is swapped out, and how busily."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts, Swap
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.swap import parse_swapusage
from fleetctl.probes.parsers.unparsed import known
from fleetctl.probes.parsers.vm_stat import parse_vm_stat
from fleetctl.probes.probe import Ask, PartOf, Probe, Told, Unanswered, cannot_read

# proc_swaps(5): a line of titles, then one for each swap, in KiB. proc_vmstat(5) is long: it is
# read only where there is something to count, and no further than that.
_LINUX = """{ read -r title && used=0 && while read -r file type size busy rest; do
used=$((used + busy)); done && echo "used $used"; } </proc/swaps
[ "${used:-0}" = 0 ] || while read -r key value; do case $key in
pswpin) echo "in $value" ;; pswpout) echo "out $value"; break ;;
esac; done </proc/vmstat"""
SHORTEST_S = 1.0
"""Over less time no rate is told."""


def _linux(told: Told) -> Swap | Unanswered:
    named = {key: whole(rest) for key, _, rest in _pairs(told.answer.text)}
    used = named.get("used")
    if used is None:
        return cannot_read(told.answer)
    ins, outs = named.get("in"), named.get("out")
    moved = None if ins is None or outs is None else ins + outs
    return Swap(used * 1024, moved, told.asked_s)


def _pairs(text: str) -> list[tuple[str, str, str]]:
    return [line.partition(" ") for line in text.splitlines()]


def _macos(told: Told) -> Swap | Unanswered:
    named = {key: rest for key, _, rest in _pairs(told.answer.text)}
    used = known(parse_swapusage(named.get("vm.swapusage:", "")))
    if used is None:
        return Unanswered("sysctl vm.swapusage does not tell it")
    counters = known(parse_vm_stat(told.answer.text))
    ins, outs = (counters.pages.get(f"Swap{way}") if counters else None for way in ("ins", "outs"))
    moved = None if ins is None or outs is None else ins + outs
    return Swap(used, moved, told.asked_s)


def _renew(old: Swap, new: Swap) -> Swap:
    """``new``, with the rate since ``old``."""
    if old.moved is None or new.moved is None or old.at_s is None or new.at_s is None:
        return new
    took_s = new.at_s - old.at_s
    if took_s < SHORTEST_S or new.moved < old.moved:
        return replace(new, pages_per_s=old.pages_per_s)
    return replace(new, pages_per_s=(new.moved - old.moved) / took_s)


def _into(facts: NodeFacts, swap: Swap) -> NodeFacts:
    return replace(facts, swap=swap)


PROBE = Probe(
    name="swap",
    when="status",
    on={"linux": Ask(_LINUX, _linux), "macos": PartOf("system", _macos)},
    into=_into,
    renew=_renew,
    label="swap",
)
