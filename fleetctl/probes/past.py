"""What a node noted while nobody watched: when attempts of instances began and ended, and when it
was booted.

Of each instance the supervisor keeps the lines ``start|end SECONDS RUN RESTARTS CODE UP BOOT .``
(launch/supervisor.sh), at most twice 32 KiB. UP is the time since the boot where the system tells
it, CODE the exit code of what ended, and ``-`` stands for what there is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleetctl.model.past import Past, PastLine
from fleetctl.probes.parsers.boottime import parse_boottime
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.started import base

MOST_LINES = 5000
"""The newest of a node's."""

_LINE = re.compile(
    r"(?P<job>[^/\s]+)/(?P<instance>[^/\s]+):.*?(?P<what>start|end) (?P<at>[0-9]{1,12}) "
    r"(?P<run>[0-9a-f]+) (?P<restarts>[0-9]{1,9}) (?P<code>-|[0-9]{1,3}) "
    r"(?P<up>-|[0-9]{1,12}\.[0-9]{1,6}) (?P<boot>\S+) \."
)
_BOOT = re.compile(r"boot:(?P<up>[0-9]{1,12}\.[0-9]{1,6}) (?P<now>[0-9]{1,12}) (?P<boot>\S+)")


def past_text(fleet: str, node: str, since_s: int) -> str:
    """The sh text that prints it.

    :param since_s: what is older is left out; in seconds since 1970, by the node's clock.
    """
    return f"""LC_ALL=C; export LC_ALL
if [ -r /proc/uptime ]; then
read -r up idle </proc/uptime; read -r boot </proc/sys/kernel/random/boot_id
echo "boot:$up $(date +%s) ${{boot:--}}"
else echo "boottime:$(sysctl -n kern.boottime)"
fi 2>/dev/null
cd {base(fleet)} 2>/dev/null || exit 0
for f in */*@{node}/past.old */*@{node}/past; do
[ ! -r "$f" ] || tail -c 65536 "$f" | tr -d '\\000' |
awk -v f="${{f%/past*}}" -v since={since_s} -v boot="${{boot:--}}" \\
'$2 ~ /^[0-9]+$/ && $2 < since && $7 != boot {{ next }} {{ print f ":" $0 }}'
done | tail -n {MOST_LINES}"""


def read_past(text: str) -> Past:
    """What :func:`past_text` printed; lines of which only a part was kept are left out.

    Of the present boot the time is counted back from now: a machine without a battery for its
    clock begins with a wrong one.
    """
    booted_s, boot = None, ""
    for line in text.splitlines():
        if found := _BOOT.fullmatch(line):
            booted_s, boot = int(found["now"]) - float(found["up"]), found["boot"].strip("-")
        elif line.startswith("boottime:"):
            parsed = parse_boottime(line.removeprefix("boottime:"))
            booted_s = None if isinstance(parsed, Unparsed) else float(parsed)
    lines = sorted(_lines(text, booted_s, boot), key=lambda one: one.at_s)
    return Past(tuple(lines), booted_s, boot)


def _lines(text: str, booted_s: float | None, boot: str) -> Iterator[PastLine]:
    for line in text.splitlines():
        if found := _LINE.fullmatch(line):
            at_s = float(found["at"])
            if booted_s is not None and boot == found["boot"] and found["up"] != "-":
                at_s = booted_s + float(found["up"])
            ended = found["what"] == "end"
            yield PastLine(
                found["job"],
                found["instance"],
                "end" if ended else "start",
                at_s,
                found["run"],
                int(found["restarts"]),
                int(found["code"]) if ended and found["code"] != "-" else None,
            )
