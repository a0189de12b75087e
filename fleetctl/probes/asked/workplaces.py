"""Whether instances find what they need: their folder, and their command's program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts, Workplace
from fleetctl.model.jobs import Instance
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.patterns import pattern
from fleetctl.probes.probe import Ask, Probe, Told
from fleetctl.probes.script import Answer
from fleetctl.quoting import quote, quote_path

_WORK = r"""work() { cd "$2" 2>/dev/null; status=$?
if [ $status -ne 0 ]; then
if [ -e "$2" ]; then echo "work $1 denied -"; else echo "work $1 missing -"; fi; return; fi
%s
printf 'work %%s ok ' "$1"
case $3 in
*/*) if [ -f "$3" ] && [ -x "$3" ]; then echo "$3"; else echo -; fi;;  # dash tests no -x itself
*) command -v "$3" || echo -;;
esac; }
"""
# macOS allows to enter a protected folder, but not to list it
# (docs/operating-systems.md, "Protected folders").
_LISTING: Mapping[OS, str] = {
    "linux": ":",
    "macos": '[ -n "$(ls 2>&1 >/dev/null)" ] && { echo "work $1 denied -"; return; }',
}


def workplace_text(os: OS, instances: Sequence[Instance]) -> str:
    """Text that tests the folder and program of each of ``instances``."""
    lines = "".join(
        f"( work {quote(f'{i.job}/{i.name}')} {quote_path(i.workdir or '~')}"
        f" {quote(i.program or ':')} )\n"
        for i in instances
        if i.command is not None
    )
    return f"{_WORK % _LISTING[os]}{lines}true"


_STATES: Mapping[str, Literal["ok", "missing", "denied"]] = {
    "ok": "ok",
    "missing": "missing",
    "denied": "denied",
}


_Places = dict[tuple[str, str], Workplace]
_LINE = pattern(r"^work ([^/\s]+)/(\S+) (ok|missing|denied) (.+)$", re.M)


def read_workplaces(answer: Answer) -> _Places:
    """Workplaces by job and instance name."""
    places = {}
    for job, name, word, path in _LINE.findall(answer.text):
        places[job, name] = Workplace(_STATES[word], None if path == "-" else path)
    return places


def _linux(questions: Questions) -> str:
    return workplace_text("linux", questions.instances)


def _macos(questions: Questions) -> str:
    return workplace_text("macos", questions.instances)


def _read(told: Told) -> _Places:
    return read_workplaces(told.answer)


def _into(facts: NodeFacts, places: _Places) -> NodeFacts:
    return replace(facts, workplaces=places)


PROBE = Probe(
    name="workplace",
    when="status",
    on={"linux": Ask(_linux, _read), "macos": Ask(_macos, _read)},
    into=_into,
)
