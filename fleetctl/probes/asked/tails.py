"""The last lines of the logs of instances that run, to see how far their work is."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.questions import Questions
from fleetctl.model.steps import Tail
from fleetctl.patterns import pattern
from fleetctl.probes.probe import Ask, Probe, Told
from fleetctl.probes.started import base
from fleetctl.quoting import quote

TAIL_BYTES = 4096
"""So much of each log."""
MOMENTS = 60
"""So many of the moments at which a log had grown (launch/logger.sh)."""
MOMENTS_JUDGED = 2000
"""The pauses between so many of them are looked at on the node."""
_PAUSES = f"""tail -n {MOMENTS_JUDGED} "$f/log/$last.idx" | awk -v from="${{start:-0}}" '
{{ line[NR % {MOMENTS}] = $0 }}
$2 > from + 0 {{
  if (n++) {{
    pause = $1 - at
    if (pause > most) {{ less = most; most = pause }} else if (pause > less) less = pause
  }}
  at = $1
}}
END {{
  print "pauses:" (n ? n - 1 : 0) " " less + 0
  for (i = NR > {MOMENTS} ? NR - {MOMENTS - 1} : 1; i <= NR; i++) print line[i % {MOMENTS}]
}}'"""


def _text(questions: Questions) -> str:
    names = [f"{i.job}/{i.name}" for i in questions.instances if i.command is not None]
    if not names:
        return ""
    return f"""cd {base(questions.fleet)} 2>/dev/null || exit 0
now=
for f in {" ".join(map(quote, names))}; do
[ -r "$f/state" ] || continue
phase= last= start=
while IFS='=' read -r key value; do
case $key in phase) phase=$value ;; log) start=$value ;; esac
done <"$f/state"
[ "$phase" = running ] || continue
for log in "$f"/log/*.log; do
log=${{log##*/}} log=${{log%.log}}
case $log in *[!0-9]*) ;; *) [ "$log" -le "${{last:--1}}" ] || last=$log ;; esac
done
[ -n "$last" ] && size=$(wc -c <"$f/log/$last.log") || continue
[ -n "$now" ] || now=$(date +%s)
echo "log:$now $((last + size)) $f"
{{ tail -c {TAIL_BYTES} "$f/log/$last.log"; echo .; }} | sed 's/^/|/'
{_PAUSES}
done 2>/dev/null
true"""


_HEAD = pattern(r"log:(?P<now>[0-9]{1,15}) (?P<end>[0-9]{1,18}) (?P<job>[^/]+)/(?P<instance>[^/]+)")
_PAUSES_LINE = pattern(r"pauses:([0-9]{1,9}) ([0-9]{1,15})")
_GROWN = pattern(r"([0-9]{1,15}) ([0-9]{1,18})")


class Tails(Struct, frozen=True):
    """By job and instance name."""

    tails: Mapping[tuple[str, str], Tail]


def _read(told: Told) -> Tails:
    """Each line of a log has a bar before it, so that none is taken for a line of ours; the dot
    shows where the log ends, whether or not its last line does."""
    found: dict[tuple[str, str], Tail] = {}
    key: tuple[str, str] | None = None
    lines: list[str] = []
    for line in told.answer.text.split("\n"):
        if line.startswith("|"):
            lines.append(line[1:])
        elif head := _HEAD.fullmatch(line):
            key, lines = (head["job"], head["instance"]), []
            found[key] = Tail("", int(head["end"]), (), int(head["now"]))
        elif key and (paused := _PAUSES_LINE.fullmatch(line)):
            found[key] = replace(found[key], pauses=int(paused[1]), longest_s=int(paused[2]))
        elif key and (grown := _GROWN.fullmatch(line)):
            moment = (int(grown[1]), int(grown[2]))
            found[key] = replace(found[key], grown=(*found[key].grown, moment))
        if key and lines:
            found[key] = replace(found[key], text="\n".join(lines).removesuffix("."))
    return Tails(found)


def _into(facts: NodeFacts, found: Tails) -> NodeFacts:
    return replace(facts, tails=found.tails)


PROBE = Probe(
    name="tails",
    when="status",
    on={"linux": Ask(_text, _read), "macos": Ask(_text, _read)},
    into=_into,
)
