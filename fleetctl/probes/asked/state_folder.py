"""Whether the account can write where fleetctl keeps what it starts. Costs builtins only."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts, Unwritable
from fleetctl.model.questions import Questions
from fleetctl.probes.probe import Ask, Probe, Told, Unanswered, cannot_read
from fleetctl.probes.started import base

_REFUSED = 77  # EX_NOPERM of sysexits.h


def _text(questions: Questions) -> str:
    """Looks at the folder, or the nearest above it that exists. test(1) also says of a file system
    that is mounted read-only that it cannot be written; the redirection says why."""
    return f"""d={base(questions.fleet)}
while [ ! -e "$d" ] && [ -n "$d" ]; do d=${{d%/*}}; done
[ -d "$d" ] && [ -w "$d" ] && [ -x "$d" ] && exit 0
echo "$d"; ls -ld "$d"
[ -d "$d" ] || echo "$d: Not a directory"
[ ! -d "$d" ] || ( : >"$d/.fleetctl" && rm "$d/.fleetctl"; ) 2>&1
exit {_REFUSED}"""


def _read(told: Told) -> Unwritable | Unanswered | None:
    """None: it can be written."""
    answer = told.answer
    if answer.exit_status == 0:
        return None
    lines = answer.text.splitlines()
    if answer.exit_status != _REFUSED or len(lines) < 2:
        return cannot_read(answer)
    words = lines[1].split()
    owner = words[2] if len(words) > 3 else ""
    why = lines[-1].rpartition(": ")[2][:100] if len(lines) > 2 else "it cannot be written"
    return Unwritable(lines[0][:200], owner, why, lines[1][:200])


def _into(facts: NodeFacts, found: Unwritable) -> NodeFacts:
    return replace(facts, unwritable=found)


PROBE = Probe(
    name="state-folder",
    when="status",
    on={"linux": Ask(_text, _read), "macos": Ask(_text, _read)},
    into=_into,
)
