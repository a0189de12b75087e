"""Whether instances find what they need: their folder, and their command's program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from fleetctl.model.facts import Workplace
from fleetctl.model.jobs import Instance
from fleetctl.probes.probe import Answer, Probe
from fleetctl.quoting import quote, quote_path

_WORK = r"""work() { cd "$2" 2>/dev/null; status=$?
if [ $status -ne 0 ]; then
if [ -e "$2" ]; then echo "work $1 denied -"; else echo "work $1 missing -"; fi; return; fi
%s
printf 'work %%s ok ' "$1"
case $3 in
*/*) if [ -f "$3" ] && [ -x "$3" ]; then echo "$3"; else echo -; fi;;  # dash's own answer is rash
*) command -v "$3" || echo -;;
esac; }
"""
# macOS lets a protected folder be entered, and refuses to list it
# (docs/operating-systems.md, "Protected folders").
_MACOS_LIST = '[ -n "$(ls 2>&1 >/dev/null)" ] && { echo "work $1 denied -"; return; }'


def workplace_probe(instances: Sequence[Instance]) -> Probe:
    """Asks for the folder and program of each of ``instances``."""
    lines = "".join(
        f"( work {quote(i.name)} {quote_path(i.workdir or '~')} {quote(i.program or ':')} )\n"
        for i in instances
        if i.command is not None
    )
    linux, macos = (f"{_WORK % listing}{lines}true" for listing in (":", _MACOS_LIST))
    return Probe(name="workplace", linux=linux, macos=macos)


_STATES: Mapping[str, Literal["ok", "missing", "denied"]] = {
    "ok": "ok",
    "missing": "missing",
    "denied": "denied",
}


def read_workplaces(answer: Answer) -> dict[str, Workplace]:
    """Workplaces by instance name."""
    places = {}
    for name, word, path in re.findall(r"^work (\S+) (ok|missing|denied) (.+)$", answer.text, re.M):
        places[name] = Workplace(_STATES[word], None if path == "-" else path)
    return places
