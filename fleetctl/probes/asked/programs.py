"""The programs that the job requires: where they are, and by ``check`` and ``start`` which version.

All of them are asked side by side, each for a limited time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts, Program
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.probes.parsers.version import parse_version
from fleetctl.probes.probe import Ask, Probe, Told, Unanswered, cannot_read
from fleetctl.probes.script import Answer
from fleetctl.probes.tools import ENDED, FOUND, LIMIT_S, LIMITED
from fleetctl.quoting import quote

_ASKS: Mapping[str, str] = {
    "ffmpeg": "-version",
    "ffprobe": "-version",
    "go": "version",
    "java": "-version",
    "javac": "-version",
    "scp": "-V",
    "ssh": "-V",
    "tmux": "-V",
    "unzip": "-v",
    "zip": "-v",
}
"""How a program is asked for its version, if not by ``--version``."""

# One write a program, so that the lines do not mix; 512 bytes are whole on macOS (PIPE_BUF).
_VERSION = r"""version() { name=$1; found "$1"
[ "$path" = - ] && { echo "program $name -"; return; }
said=$({ limited "$@"; printf '\nexit %s\n' $?; } 2>&1 |
awk 'NR < 4 { gsub(/\t/, " "); printf "%s\t", substr($0, 1, 100) } { last = $0 }
END { print last }')
printf 'program %s %s\t%s\n' "$name" "$path" "$said"; }
"""


def _text(os: OS, questions: Questions) -> str:
    if not questions.programs:
        return ""
    if not questions.versions:
        looks = (f'found {p}; echo "program {p} $path"' for p in map(quote, questions.programs))
        return FOUND[os] + "\n".join(looks)
    asks = (f"version {quote(p)} {_ASKS.get(p, '--version')} &" for p in questions.programs)
    return FOUND[os] + LIMITED[os] + _VERSION + "\n".join(asks) + "\nwait"


def read_programs(answer: Answer) -> dict[str, Program]:
    """By name; one that was not told of is missing."""
    found = {}
    for name, rest in re.findall(r"^program (\S+) (.+)$", answer.text, re.M):
        path, *said = rest.split("\t")
        found[name] = Program(None) if path == "-" else _program(path, said)
    return found


def _program(path: str, said: list[str]) -> Program:
    """
    :param said: the first lines that it printed, and ``exit STATUS``; empty: it was not asked.
    """
    if not said:
        return Program(path)
    *lines, status = said
    lines = [line for line in lines if line.strip() and line != status]
    if status != "exit 0":
        last = f": {lines[-1].strip()}" if lines else ""
        ended = status == f"exit {ENDED}"
        why = f"no answer within {LIMIT_S} s" if ended else f"it ended with {status}{last}"
        return Program(path, why=why)
    if version := parse_version(lines):
        return Program(path, version)
    return Program(path, why=f"there is no number in what it says: {' '.join(lines) or 'nothing'}")


def _linux(questions: Questions) -> str:
    return _text("linux", questions)


def _macos(questions: Questions) -> str:
    return _text("macos", questions)


def _read(told: Told) -> dict[str, Program] | Unanswered:
    return cannot_read(told.answer) if told.answer.exit_status else read_programs(told.answer)


def _into(facts: NodeFacts, programs: dict[str, Program]) -> NodeFacts:
    return replace(facts, programs=programs)


def _renew(old: dict[str, Program], new: dict[str, Program]) -> dict[str, Program]:
    """A look that asks for no versions keeps those of programs that are where they were."""
    return {**old, **{name: _newer(old.get(name), now) for name, now in new.items()}}


def _newer(old: Program | None, new: Program) -> Program:
    unasked = not new.version and not new.why
    return old if old and unasked and old.path == new.path else new


PROBE = Probe(
    name="programs",
    when="status",
    on={"linux": Ask(_linux, _read), "macos": Ask(_macos, _read)},
    into=_into,
    renew=_renew,
)
