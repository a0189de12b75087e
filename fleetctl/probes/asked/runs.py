"""The processes of each run that was recorded on a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.probes.members import members_text
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.probe import Ask, Probe, Told, Unanswered, cannot_read
from fleetctl.probes.script import Answer
from fleetctl.probes.started import base, if_started

# A supervisor that was killed, or lost its power, leaves the secrets of its instance: they are
# removed where the record, as it is then, names it and it lives no more, be it that tmux has not
# taken note of its end (state Z). A spec of another run than the record's is of a start that is
# under way.
_FORGET = """for spec in */*@{node}/spec; do
one=${{spec%/spec}}
[ -e "$spec" ] && [ ! -e "$one/lock" ] && IFS= read -r run <"$spec" || continue
case $told in *"${{run#run=}} "*) continue ;; esac
record=$(cat "$one/state") && root=$(echo "$record" | sed -n 's/^supervisor=//p') || continue
echo "$record" | grep -qx "$run" && [ -n "$root" ] || continue
if echo "$record" | grep -qx "boot=$(this_boot)"; then
case $(cat "/proc/${{root%% *}}/stat" || ps -o stat= -p "${{root%% *}}") in
Z* | *') Z '*) ;; *) [ "$(birth "${{root%% *}}")" != "$root" ] || continue ;;
esac
fi
rm -f "$spec" "$one/account"
done 2>/dev/null
true"""


_STATES: Mapping[OS, str] = {
    "linux": """for pid in $pids; do
IFS= read -r line <"/proc/$pid/stat" && echo "$pid ${line##*) }"
done 2>/dev/null""",
    "macos": "[ -z \"$pids\" ] || ps -o pid=,stat= -p $(echo $pids | tr ' ' ,)",
}
"""Prints the processes ``$pids``, each with its state. Its first letter is T for one that a signal
has stopped: proc_pid_stat(5), ps(1)."""


def _text(os: OS) -> Callable[[Questions], str]:
    def text(questions: Questions) -> str:
        node = questions.node
        text = f"""cd {base(questions.fleet)} || exit
{members_text()}roots=1
told=$(members */*@{node}/state) || exit
printf '%s\\n' "$told"
pids=
while read -r run pid group whose; do
case $whose in own | other) pids="$pids $pid" ;; esac
done <<.
$told
.
echo states
{_STATES[os]}
{_FORGET.format(node=node)}"""
        return if_started(questions.fleet, node, text)

    return text


class Runs(Struct, frozen=True):
    """Processes by run id."""

    pids: Mapping[str, tuple[int, ...]]
    foreign: frozenset[int]
    """Those that belong to another user."""
    supervised: frozenset[str] = frozenset()
    """Runs whose supervisor lives, in a tmux server that lives."""
    stopped: frozenset[int] = frozenset()
    """Processes that a signal has stopped."""


def read_runs(answer: Answer) -> Runs | Unanswered:
    """Lines of ``members`` (members.sh), then those of the processes with their states."""
    if answer.exit_status != 0:
        return cannot_read(answer)
    runs: dict[str, list[int]] = {}
    foreign = set()
    supervised = set()
    of_members, _, of_states = answer.text.partition("\nstates\n")
    stopped = {
        pid
        for words in map(str.split, of_states.splitlines())
        if len(words) > 1 and words[1].startswith("T") and (pid := whole(words[0])) is not None
    }
    for line in of_members.splitlines():
        words = line.split()
        pid = whole(words[1]) if len(words) == 4 else None
        if pid is None:
            continue
        if words[3] == "supervised":
            if words[2] != "-":
                supervised.add(words[0])
            continue
        runs.setdefault(words[0], []).append(pid)
        if words[3] == "other":
            foreign.add(pid)
    by_run = {run: tuple(sorted(set(pids))) for run, pids in runs.items()}
    return Runs(by_run, frozenset(foreign), frozenset(supervised), frozenset(stopped))


def _read(told: Told) -> Runs | Unanswered:
    return read_runs(told.answer)


def _into(facts: NodeFacts, runs: Runs) -> NodeFacts:
    return replace(
        facts,
        runs=runs.pids,
        foreign=runs.foreign,
        supervised=runs.supervised,
        stopped=runs.stopped,
    )


PROBE = Probe(
    name="runs",
    when="services",
    on={"linux": Ask(_text("linux"), _read), "macos": Ask(_text("macos"), _read)},
    into=_into,
)
