"""The code of each job in its workdir: at which commit it is, what is changed there, and what
``sync`` brought last.

Files that git does not know do not count, as for ``git describe --dirty``: a training run leaves
many. What differs from the commit is told by a checksum, too, so that equal changes are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec.structs import replace

from fleetctl.model.facts import Code, NodeFacts
from fleetctl.model.layout import sync_dir
from fleetctl.model.questions import CodePlace, Questions
from fleetctl.model.topology import OS
from fleetctl.patterns import pattern
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.probe import Ask, Probe, Told, Unanswered, cannot_read
from fleetctl.probes.tools import ENDED, FOUND, LIMIT_S, LIMITED
from fleetctl.quoting import quote_path

_FOLDER = "-- folder"
"""A line before what is said of each."""
_SYNCED = pattern(r"^synced ?(.*)$", re.M)

# The checksum is asked for only where something is changed.
_GIT = r"""export GIT_OPTIONAL_LOCKS=0
found git; [ "$path" = - ] && { echo 'no git'; exit 0; }
said=$(limited git rev-parse --verify -q HEAD 2>&1); status=$?
[ $status = 0 ] || { printf 'failed %s %s\n' $status "$said"; exit 0; }
echo "commit $said"
said=$({ limited git -c core.fsmonitor=false status --porcelain --untracked-files=no 2>&1
printf '\nexit %s\n' $?; } |
awk '/^exit [0-9]+$/ { print; next } NF { n++ } NF && n < 4 { print "at " substr($0, 1, 200) }
END { print "changed " n + 0 }')
printf '%s\n' "$said"
case $said in at*) { { limited git -c core.fsmonitor=false diff --no-ext-diff --no-textconv HEAD
echo "diff $?" >&3; } 2>/dev/null | echo "sum $(cksum)"; } 3>&1 ;; esac
"""


def _text(os: OS, questions: Questions) -> str:
    if not questions.codes:
        return ""
    looks = "\n".join(
        _look(questions, folder, jobs) for folder, jobs in _folders(questions.codes).items()
    )
    return f"{FOUND[os]}{LIMITED[os]}code() {{\n{_GIT}}}\n{looks}"


def _folders(codes: Iterable[CodePlace]) -> dict[str, list[CodePlace]]:
    """By folder: the jobs whose code is there; git is asked once."""
    found: dict[str, list[CodePlace]] = {}
    for code in codes:
        found.setdefault(code.folder, []).append(code)
    return found


def _look(questions: Questions, folder: str, codes: Iterable[CodePlace]) -> str:
    """Looks at one folder, in a shell of its own."""
    text = f"echo '{_FOLDER}'\n"
    for code in codes:
        if code.synced:
            state = quote_path(sync_dir(questions.fleet, code.job, questions.node))
            text += f'key=; read -r key 2>/dev/null <{state}/key; echo "synced $key"\n'
    return f"{text}( cd {quote_path(folder)} 2>/dev/null || {{ echo 'no folder'; exit; }}; code )"


def read_codes(codes: Iterable[CodePlace], text: str) -> dict[str, Code]:
    """By job, in the answer of the question for ``codes``; what is not told is missing."""
    found = {}
    told = re.split(rf"^{_FOLDER}$", text, flags=re.M)[1:]
    for jobs, said in zip(_folders(codes).values(), told, strict=False):
        keys = iter(_SYNCED.findall(said))
        for code in jobs:
            synced = next(keys, None) if code.synced else None
            if known := read_code(said):
                found[code.job] = replace(known, synced=_key(synced))
    return found


def read_code(text: str) -> Code | None:
    """None: it is not told."""
    if "no folder" in text.splitlines():
        return Code("no folder", synced=_synced(text))
    if "no git" in text.splitlines():
        return Code("no git", synced=_synced(text))
    return _tree(text)


def _tree(text: str) -> Code | None:
    synced = _synced(text)
    if failed := re.search(r"^failed (\d+) ?(.*)$", text, re.M):
        return _without_commit(failed[1], failed[2].strip(), synced)
    commit = re.search(r"^commit ([0-9a-f]{40,64})$", text, re.M)
    status = re.search(r"^exit (\d+)$", text, re.M)
    number = re.search(r"^changed (\d{1,18})$", text, re.M)
    if not commit:
        return None
    if not status or not number or status[1] != "0":
        said = re.findall(r"^at (.*)$", text, re.M)
        why = "git status said nothing" if status is None else _why(status[1], (said or [""])[0])
        return Code("tree", commit[1], why=why, synced=synced)
    found = Code("tree", commit[1], whole(number[1]), tuple(_files(text)), synced=synced)
    if not found.changed:
        return found
    compared = re.search(r"^diff (\d+)\nsum (\S+ \S+)$", text, re.M)
    if compared is None or compared[1] != "0":
        return replace(found, why=_why(compared[1] if compared else "", "git diff failed"))
    return replace(found, sum_of=compared[2])


def _without_commit(status: str, said: str, synced: str | None) -> Code:
    state: Literal["no commit", "no tree", "unknown"]
    state = "no commit" if status == "1" else "unknown"
    if "not a git repository" in said:
        state = "no tree"
    return Code(state, why=_why(status, said), synced=synced)


def _why(status: str, said: str) -> str:
    if status == str(ENDED):
        return f"git did not answer within {LIMIT_S} s"
    return said[:200] or f"git ended with exit code {status}"


def _files(text: str) -> Iterator[str]:
    """The first ones of ``git status --porcelain``: two letters, a blank, the path; of a renamed
    one ``OLD -> NEW``."""
    for line in re.findall(r"^at (.*)$", text, re.M):
        yield line[3:].rpartition(" -> ")[2].strip('"')


def _synced(text: str) -> str | None:
    found = _SYNCED.search(text)
    return _key(found[1] if found else None)


def _key(synced: str | None) -> str | None:
    return None if synced is None else synced.strip()[:64]


def _linux(questions: Questions) -> str:
    return _text("linux", questions)


def _macos(questions: Questions) -> str:
    return _text("macos", questions)


def _read(told: Told) -> dict[str, Code] | Unanswered:
    return read_codes(told.questions.codes, told.answer.text) or cannot_read(told.answer)


def _into(facts: NodeFacts, codes: dict[str, Code]) -> NodeFacts:
    return replace(facts, codes=codes)


PROBE = Probe(
    name="code",
    when="check",
    on={"linux": Ask(_linux, _read), "macos": Ask(_macos, _read)},
    into=_into,
)
