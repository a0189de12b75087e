"""The processes of each run that was recorded on a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.patterns import pattern
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
    "macos": "[ -z \"$pids\" ] || ps -o pid=,stat=,time= -p $(echo $pids | tr ' ' ,)",
}
"""Prints the processes ``$pids``, each with its state and CPU time: proc_pid_stat(5) without the
name, ps(1). The state's first letter is T for one that a signal has stopped."""
_UTIME = 12
"""The place of utime, in ticks, in such a line of Linux; stime follows."""
_TICKS_PER_S = 100
"""Of USER_HZ, time(7)."""
_CLOCK = pattern(r"(?:([0-9]{1,6})-)?(?:([0-9]{1,6}):)?([0-9]{1,9}):([0-9]{2}(?:\.[0-9]{1,6})?)")
SPAN_S = 10.0
"""How busy processes are is not told over less: clocks and answers are not that exact."""


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


class CpuTimes(Struct, frozen=True):
    """What processes had used of the processors at one moment."""

    at_s: float | None = None
    """By the controller's clock."""
    used_s: Mapping[int, float] = {}
    """By process."""


class Runs(Struct, frozen=True):
    """Processes by run id."""

    pids: Mapping[str, tuple[int, ...]]
    foreign: frozenset[int]
    """Those that belong to another user."""
    supervised: frozenset[str] = frozenset()
    """Runs whose supervisor lives, in a tmux server that lives."""
    stopped: frozenset[int] = frozenset()
    """Processes that a signal has stopped."""
    cpu: CpuTimes = CpuTimes()
    before: CpuTimes = CpuTimes()
    """Those since which ``busy`` is told."""
    busy: Mapping[str, float] = {}
    """By run id: how many processors its processes kept busy."""


def read_runs(answer: Answer, asked_s: float | None = None) -> Runs | Unanswered:
    """Lines of ``members`` (members.sh), then those of the processes with their states."""
    if answer.exit_status != 0:
        return cannot_read(answer)
    runs: dict[str, list[int]] = {}
    foreign = set()
    supervised = set()
    of_members, _, of_states = answer.text.partition("\nstates\n")
    stopped, used_s = set(), {}
    for words in map(str.split, of_states.splitlines()):
        if len(words) > 1 and (pid := whole(words[0])) is not None:
            if words[1].startswith("T"):
                stopped.add(pid)
            if (cpu_s := _cpu_s(words)) is not None:
                used_s[pid] = cpu_s
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
    cpu = CpuTimes(asked_s, used_s)
    by_run = {run: tuple(sorted(set(pids))) for run, pids in runs.items()}
    return Runs(by_run, frozenset(foreign), frozenset(supervised), frozenset(stopped), cpu)


def _cpu_s(words: Sequence[str]) -> float | None:
    """The CPU time in a line of a process: ``[DAYS-][HOURS:]MINUTES:SECONDS`` of ps, or ticks."""
    if len(words) > _UTIME + 1:
        own, of_kernel = whole(words[_UTIME]), whole(words[_UTIME + 1])
        return None if own is None or of_kernel is None else (own + of_kernel) / _TICKS_PER_S
    found = _CLOCK.fullmatch(words[2]) if len(words) == 3 else None
    if found is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _renew(old: Runs, new: Runs) -> Runs:
    """``new``, with how busy its processes were since an earlier look."""
    before = old.cpu if old.before.at_s is None else old.before
    if before.at_s is None or new.cpu.at_s is None:
        return new
    took_s = new.cpu.at_s - before.at_s
    if took_s < SPAN_S:
        busy = {run: share for run, share in old.busy.items() if run in new.pids}
        return replace(new, before=before, busy=busy)
    busy = {
        run: sum(_since(before, new.cpu, pid) for pid in pids) / took_s
        for run, pids in new.pids.items()
        if any(pid in before.used_s for pid in pids) and any(p in new.cpu.used_s for p in pids)
    }
    return replace(new, before=new.cpu, busy=busy)


def _since(before: CpuTimes, now: CpuTimes, pid: int) -> float:
    """What the process used since then, or since it began."""
    return max(0.0, now.used_s.get(pid, 0.0) - before.used_s.get(pid, 0.0))


def _read(told: Told) -> Runs | Unanswered:
    return read_runs(told.answer, told.asked_s)


def _into(facts: NodeFacts, runs: Runs) -> NodeFacts:
    return replace(
        facts,
        runs=runs.pids,
        foreign=runs.foreign,
        supervised=runs.supervised,
        stopped=runs.stopped,
        busy=runs.busy,
    )


PROBE = Probe(
    name="runs",
    when="services",
    on={"linux": Ask(_text("linux"), _read), "macos": Ask(_text("macos"), _read)},
    into=_into,
    renew=_renew,
)
