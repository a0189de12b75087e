"""The supervisors' records on a node, and the lengths of its logs, for all jobs of the fleet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.questions import Questions
from fleetctl.model.records import BootWord, GroupWord, Health, HealthState, Phase, Record, Wanted
from fleetctl.model.topology import OS
from fleetctl.patterns import pattern
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.probe import Ask, Probe, Told
from fleetctl.probes.script import Answer
from fleetctl.probes.started import base
from fleetctl.probes.times import epoch_time
from fleetctl.quantities import in_a_row

_ASKS: Mapping[OS, str] = {
    "linux": """IFS= read -r state <"/proc/$prober/stat" && state=${state##*) }""",
    "macos": "state=$(ps -o stat= -p $prober)",
}
"""Sets the state of the process ``$prober``, whose first letter is Z for a zombie, T for a stopped
one: proc_pid_stat(5), ps(1)."""

_CLOCKS: Mapping[OS, str] = {
    "linux": '{ read -r up idle </proc/uptime && echo "up:$up"'
    '; read -r boot </proc/sys/kernel/random/boot_id && echo "boot:$boot"; } 2>/dev/null',
    "macos": "date +now:%s",
}
"""Tells the time before it is looked which instances run: seconds since the boot and which one, or
the epoch."""
_BOOTS: Mapping[OS, str] = {
    "linux": "read -r now </proc/sys/kernel/random/boot_id",
    "macos": "now=$(ps -o lstart= -p 1) && now=$(echo $now | tr ' ' _)",
}
"""Sets the word of this boot, as ``this_boot`` in members.sh prints it."""
_DATES: Mapping[OS, str] = {"linux": "date +now:%s", "macos": "true"}


def _text(os: OS) -> Callable[[Questions], str]:
    def text(questions: Questions) -> str:
        node = questions.node
        return f"""cd {base(questions.fleet)} 2>/dev/null || exit 0
{_CLOCKS[os]}
grep -aH '' */*@{node}/state */*@{node}/ready */*@{node}/searched \\
*/*@{node}/health */*@{node}/unwell */*@{node}/told \\
*/*@{node}/apart 2>/dev/null
asked=
for f in */*@{node}/health; do
read -r run attempt prober rest <"$f" || continue
asked=1 state=
{_ASKS[os]}
case $state in '' | [TtXZ]*) ;; *) echo "${{f%health}}asks:yes" ;; esac
done 2>/dev/null
[ -z "$asked" ] || {_DATES[os]}
for f in */*@{node}/booted; do
read -r boot pid word <"$f" || continue
{_BOOTS[os]}
[ "$boot" = "$now" ] || continue
case $word in waiting*) kill -0 "$pid" || word='failed what was to start it has ended' ;; esac
echo "${{f%booted}}atboot:$word"
done 2>/dev/null
ls -ln */*@{node}/log/*.log 2>/dev/null
for f in */*@{node}/state; do
[ -e "$f" ] || continue
phase= code=0 start=
[ ! -r "$f" ] || while IFS='=' read -r key value; do
case $key in phase) phase=$value;; exit) code=$value;; log) start=$value;; esac
done <"$f"
case $phase in running | backoff | ended | stopped) ;; *) echo "${{f%state}}damaged:yes";; esac
[ "$phase" = ended ] && [ "$code" != 0 ] || continue
{_LAST_LINE}
done
for f in */*@{node}/supervisor; do
f=${{f%supervisor}}
[ ! -e "${{f}}supervisor" ] || [ -e "${{f}}state" ] || [ -e "${{f}}lock" ] || echo "${{f}}gone:yes"
done
true"""

    return text


_LAST_LINE = r"""f=${f%/state} esc=$(printf '\033')
log=$(ls "$f/log" | sed -n 's/^\([0-9]*\)\.log$/\1/p' | sort -n | tail -n 1)
from=$(($(wc -c <"$f/log/$log.log") - 2000)) start=$((${start:-0} - ${log:-0}))
[ "$from" -ge "$start" ] || from=$start
[ "$from" -ge 0 ] || from=0
tail -c +$((from + 1)) "$f/log/$log.log" 2>/dev/null | tr '\r' '\n' |
sed -e "s/$esc[[][0-9;:?]*[A-Za-z]//g" \
-e 's/fleetctl: ended with exit code .*//' -e '/^[[:space:]]*$/d' |
tail -n 1 | sed "s|^|$f/last:|" """
"""The last line that the newest attempt printed; only of what failed, so that it costs others
nothing."""
LAST_CHARACTERS = 200


class Records(Struct, frozen=True):
    """By job and instance name."""

    records: Mapping[tuple[str, str], Record]
    log_bytes: Mapping[tuple[str, str], int]
    """Offset of the end of each log."""
    damaged: frozenset[tuple[str, str]] = frozenset()
    """Records that are there, and cannot be read."""
    unrecorded: frozenset[tuple[str, str]] = frozenset()
    """What was started, not stopped, and has no record: none yet, or something removed it."""


_FILE_LINE = pattern(
    r"(?P<job>[^/]+)/(?P<instance>[^/]+)/(?P<file>state|ready|searched|last|health|unwell|told|apart|asks|atboot|damaged|gone):"
    r"(?P<line>.*)"
)
_LOG_LINE = pattern(
    r"\S+\s+[0-9]+\s+[0-9]+\s+[0-9]+\s+(?P<size>[0-9]{1,18})\s.*?"
    r"(?P<job>[^/\s]+)/(?P<instance>[^/]+)/log/(?P<offset>[0-9]{1,18})\.log$"
)
_NOW_LINE = pattern(r"now:(?P<now>[0-9]{1,15})")
_SECONDS_TEXT = r"[0-9]{1,12}\.[0-9]{1,6}"
_SECONDS = pattern(_SECONDS_TEXT)
_BOOT_LINE = pattern(r"boot:(?P<boot>\S+)")
_UP_LINE = pattern(rf"up:(?P<up>{_SECONDS_TEXT})")
_HEALTH = pattern(
    r"(?P<state>ok|failing|unknown) (?P<failures>[0-9]{1,9}) (?P<alike>[0-9]{1,9}) "
    r"(?P<since>[0-9]{1,15}) (?P<why>.*)"
)
_UNWELL = pattern(r"(?P<failures>[0-9]{1,9}) (?P<alike>[0-9]{1,9}) (?P<why>.*)")
_PHASES: Mapping[str, Phase] = {
    "running": "running",
    "backoff": "backoff",
    "ended": "ended",
    "stopped": "stopped",
}
_OF_THIS: Mapping[str, Wanted] = {"end": "end", "again": "again", "go": "again"}
_OF_THE_LAST: Mapping[str, Wanted] = {"go": "began"}
_HEALTH_STATES: Mapping[str, HealthState] = {
    "ok": "ok",
    "failing": "failing",
    "unknown": "unknown",
}


class _Clock(Struct):
    """What the node said of the time, and when it was asked by the controller's."""

    heard: datetime
    """In the middle of the time in which it answered."""
    spread_s: float
    """Half of that time."""
    now: int | None = None
    """Seconds since 1970, by the node's clock."""
    up_s: float | None = None
    boot: str = ""


def read_records(answer: Answer, asked_s: float | None = None) -> Records:
    """Records and log ends by job and instance, without incomplete records.

    :param asked_s: when the node was asked, by the controller's clock.
    """
    now_s = time.time()
    begun_s = now_s if asked_s is None else min(asked_s, now_s)
    clock = _Clock(
        datetime.fromtimestamp((begun_s + now_s) / 2, UTC),
        (now_s - begun_s) / 2,
    )
    files: dict[tuple[str, str], dict[str, str]] = {}
    ends: dict[tuple[str, str], int] = {}
    for line in answer.text.splitlines():
        if found := _FILE_LINE.match(line):
            values = files.setdefault((found["job"], found["instance"]), {})
            if found["file"] == "state":
                key, _, value = found["line"].partition("=")
                values[key] = value
            else:
                values[found["file"]] = found["line"]
        elif found := _LOG_LINE.match(line):
            key2 = (found["job"], found["instance"])
            ends[key2] = max(ends.get(key2, 0), int(found["offset"]) + int(found["size"]))
        elif found := _NOW_LINE.fullmatch(line):
            clock.now = int(found["now"])
        elif found := _UP_LINE.fullmatch(line):
            clock.up_s = float(found["up"])
        elif found := _BOOT_LINE.fullmatch(line):
            clock.boot = found["boot"]
    records = {}
    for (job, instance), values in files.items():
        if phase := _PHASES.get(values.get("phase", "")):
            records[job, instance] = _record(job, instance, phase, values, clock)
    damaged = frozenset(key for key, values in files.items() if "damaged" in values)
    unrecorded = frozenset(key for key, values in files.items() if "gone" in values)
    return Records(records, ends, damaged - set(records), unrecorded)


def _record(
    job: str,
    instance: str,
    phase: Phase,
    values: Mapping[str, str],
    clock: _Clock,
) -> Record:
    restarts = whole(values.get("restarts")) or 0
    run = values.get("run", "")
    attempt = f"{run} {restarts}"
    ended_at, ended_error_s = _ended(values, clock)
    return Record(
        job=job,
        instance=instance,
        run=run,
        phase=phase,
        pid=whole(values.get("pid")),
        started_at=epoch_time(values.get("started")),
        age_s=_age_s(values, clock) if phase == "running" else None,
        ended_at=ended_at,
        ended_error_s=ended_error_s,
        exit_code=whole(values.get("exit")),
        restarts=restarts,
        ready=values.get("ready") == attempt,
        log_start=whole(values.get("log")),
        last_line=values.get("last", "")[:LAST_CHARACTERS].strip(),
        searched=_of(attempt, values.get("searched")),
        health=_health(attempt, values, clock.now),
        words=_words(values.get("words")),
        unwell=_unwell(f"{run} {restarts if phase == 'ended' else restarts - 1}", values),
        asked_to_end=values.get("asked") == "stop",
        apart=_of(run, values.get("apart")),
        at_boot=_at_boot(values.get("atboot")),
        booted_since=_booted_since(values, clock),
        group_word=_group_word(run, restarts, values),
    )


def _booted_since(values: Mapping[str, str], clock: _Clock) -> bool | None:
    boot = values.get("boot")
    return boot != clock.boot if boot and clock.boot else None


def _age_s(values: Mapping[str, str], clock: _Clock) -> float | None:
    """For how long an attempt has run, by the node's own clock; at least so long."""
    if clock.up_s is None:
        started = whole(values.get("started"))
        if clock.now is None or started is None:
            return None
        return max(0.0, clock.now - started - 1.0)
    began = _SECONDS.fullmatch(values.get("up", ""))
    return max(0.0, clock.up_s - float(began[0])) if began else None


def _ended(values: Mapping[str, str], clock: _Clock) -> tuple[datetime | None, float | None]:
    """When an attempt ended, by the controller's clock, and by how much that may be wrong."""
    ended, up = whole(values.get("ended")), _SECONDS.fullmatch(values.get("ended_up", ""))
    if up and clock.up_s is not None and clock.boot and clock.boot == values.get("boot"):
        ago_s, error_s = clock.up_s - float(up[0]), 0.01
    elif ended is not None and clock.now is not None:
        ago_s, error_s = float(clock.now - ended), 1.0  # both are whole seconds
    else:
        return epoch_time(values.get("ended")), None
    try:
        at = clock.heard - timedelta(seconds=max(0.0, ago_s))
    except OverflowError:  # no time that a clock of today shows
        return None, None
    return at, round(clock.spread_s + error_s, 3)


def _at_boot(line: str | None) -> BootWord | None:
    """What boot.sh wrote, of this boot."""
    match (line or "").partition(" "):
        case ("waiting" | "failed") as state, _, why:
            return BootWord("waiting" if state == "waiting" else "failed", why)
    return None


def _of(attempt: str, line: str | None) -> str:
    """The rest of a line that begins with ``RUN RESTARTS``; empty: it is of another attempt."""
    return line[len(attempt) + 1 :] if line and line.startswith(f"{attempt} ") else ""


def _words(line: str | None) -> tuple[str, ...]:
    try:
        return msgspec.json.decode(line or "[]", type=tuple[str, ...])
    except msgspec.DecodeError:
        return ()


def _health(attempt: str, values: Mapping[str, str], now: int | None) -> Health | None:
    """What the prober wrote (launch/prober.sh)."""
    _, _, told = _of(attempt, values.get("health")).partition(" ")
    found = _HEALTH.fullmatch(told)
    if found is None:
        return None
    return Health(
        state=_HEALTH_STATES[found["state"]],
        failures=int(found["failures"]),
        alike=int(found["alike"]),
        for_s=None if now is None else float(max(0, now - int(found["since"]))),
        why=found["why"],
        asks=values.get("asks") == "yes",
    )


def _unwell(attempt: str, values: Mapping[str, str]) -> str:
    """Why the prober ended that attempt, as a clause."""
    found = _UNWELL.fullmatch(_of(attempt, values.get("unwell")))
    if found is None:
        return ""
    return in_a_row(found["why"], int(found["failures"]), int(found["alike"]))


def _group_word(run: str, restarts: int, values: Mapping[str, str]) -> GroupWord | None:
    """What its job wanted of it last (launch/member_program.py)."""
    for attempt, meant in ((restarts, _OF_THIS), (restarts - 1, _OF_THE_LAST)):
        word, _, why = _of(f"{run} {attempt}", values.get("told")).partition(" ")
        if word in meant:
            return GroupWord(meant[word], why)
    return None


def _read(told: Told) -> Records:
    return read_records(told.answer, told.asked_s)


def _into(facts: NodeFacts, found: Records) -> NodeFacts:
    return replace(
        facts,
        records=found.records,
        log_bytes=found.log_bytes,
        damaged=found.damaged,
        unrecorded=found.unrecorded,
    )


PROBE = Probe(
    name="records",
    when="services",
    on={"linux": Ask(_text("linux"), _read), "macos": Ask(_text("macos"), _read)},
    into=_into,
)
