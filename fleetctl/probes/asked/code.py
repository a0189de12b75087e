"""The code of the job in its workdir: at which commit it is, what is changed there, and what
``sync`` brought last.

Files that git does not know do not count, as for ``git describe --dirty``: a training run leaves
many. What differs from the commit is told by a checksum, too, so that equal changes are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from msgspec.structs import replace

from fleetctl.model.facts import Code, NodeFacts
from fleetctl.model.layout import sync_dir
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.probe import Ask, Probe, Told, Unanswered, cannot_read
from fleetctl.probes.tools import ENDED, FOUND, LIMIT_S, LIMITED
from fleetctl.quoting import quote_path

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
case $said in at*) echo "sum $(limited git -c core.fsmonitor=false diff --no-ext-diff \
--no-textconv HEAD 2>/dev/null | cksum)" ;; esac
"""


def _text(os: OS, questions: Questions) -> str:
    code = questions.code
    if code is None:
        return ""
    text = ""
    if code.synced:
        state = quote_path(sync_dir(questions.fleet, code.job, questions.node))
        text = f'key=; read -r key 2>/dev/null <{state}/key; echo "synced $key"\n'
    text += f"cd {quote_path(code.folder)} 2>/dev/null || {{ echo 'no folder'; exit 0; }}\n"
    return text + FOUND[os] + LIMITED[os] + _GIT


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
    sum_of = re.search(r"^sum (\S+ \S+)", text, re.M)
    return Code(
        "tree",
        commit[1],
        changed=whole(number[1]),
        files=tuple(_files(text)),
        sum_of=sum_of[1] if sum_of else "",
        synced=synced,
    )


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
    found = re.search(r"^synced ?(.*)$", text, re.M)
    return found[1].strip()[:64] if found else None


def _linux(questions: Questions) -> str:
    return _text("linux", questions)


def _macos(questions: Questions) -> str:
    return _text("macos", questions)


def _read(told: Told) -> Code | Unanswered:
    return read_code(told.answer.text) or cannot_read(told.answer)


def _into(facts: NodeFacts, code: Code) -> NodeFacts:
    return replace(facts, code=code)


PROBE = Probe(
    name="code",
    when="check",
    on={"linux": Ask(_linux, _read), "macos": Ask(_macos, _read)},
    into=_into,
)
