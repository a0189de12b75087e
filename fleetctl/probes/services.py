"""What runs on a node: tmux windows, records, logs, listeners, and the processes of each run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from fleetctl.model.facts import Connection, Listener, Pane, Phase, Record
from fleetctl.model.layout import RUN_VARIABLE, STATE, TMUX_OPTIONS, TMUX_SOCKET
from fleetctl.probes.parsers.lsof import parse_lsof, parse_lsof_connections
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.ss import parse_ss, parse_ss_connections
from fleetctl.probes.probe import Answer, Probe

_PANE_FIELDS = (
    "version",
    "session_name",
    "window_id",
    "pane_id",
    "pane_pid",
    "pane_dead",
    "pane_dead_status",
    *(f"@fleetctl_{name}" for name in TMUX_OPTIONS),
)
# Names in nodes.yaml cannot hold a bar, so it separates; tmux turns tabs into "_" in some locales.
_PANE_FORMAT = "|".join(f"#{{{field}}}" for field in _PANE_FIELDS)

# Where no user has a socket of that name no server can run, and tmux need not be started to say so.
_TMUX = f"""command -v tmux >/dev/null || exit 127
for s in "${{TMUX_TMPDIR:-/tmp}}"/tmux-*/{TMUX_SOCKET}; do [ -e "$s" ] && break; done
[ -e "$s" ] || {{ echo "no server running on $s"; tmux -V; exit 1; }}
tmux -u -L {TMUX_SOCKET} list-panes -a -F '{_PANE_FORMAT}' && exit
tmux -V; exit 1"""

TMUX = Probe(name="tmux", linux=_TMUX, macos=_TMUX)


def _if_started(fleet: str, node: str, text: str) -> str:
    """``text``, where anything was ever started on the node; elsewhere nothing can be found."""
    return f'for d in {_base(fleet)}/*/*@{node}; do [ -d "$d" ] || exit 0; done\n{text}'


LISTENING = {
    "linux": "ss -ltnpH",
    "macos": "lsof -nP -iTCP -sTCP:LISTEN -Fpcn || [ $? -eq 1 ]",  # 1: nothing listens
}
"""Lists every listening TCP socket, with the processes that this user may see."""


def listeners_probe(fleet: str, node: str) -> Probe:
    """Listening sockets and open connections, where anything could be ours."""
    linux = "ss -tnpH state listening state established"
    macos = "lsof -nP -iTCP -sTCP:LISTEN,ESTABLISHED -Fpcn || [ $? -eq 1 ]"  # 1: none
    return Probe(
        name="listeners",
        linux=_if_started(fleet, node, linux),
        macos=_if_started(fleet, node, macos),
    )


def runs_probe(fleet: str, node: str) -> Probe:
    """The processes that carry the mark of a run in their environment."""
    linux = (
        f"grep -aoHz '^{RUN_VARIABLE}=[0-9a-f]*' /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    )
    macos = (
        "ps -Eaxww -o pid=,command= | sed -n "
        f"'s/^ *\\([0-9]*\\) .* {RUN_VARIABLE}=\\([0-9a-f][0-9a-f]*\\).*/\\1 \\2/p'"
    )
    return Probe(
        name="runs",
        linux=_if_started(fleet, node, linux),
        macos=_if_started(fleet, node, macos),
    )


def _base(fleet: str) -> str:
    return f'"$HOME"/{STATE.removeprefix("~/")}/{fleet}'


def records_probe(fleet: str, node: str) -> Probe:
    """The records and log sizes of the fleet's instances on ``node``, of every job."""
    text = f"""cd {_base(fleet)} 2>/dev/null || exit 0
grep -H '' */*@{node}/state */*@{node}/ready */*@{node}/searched 2>/dev/null
ls -ln */*@{node}/log/*.log 2>/dev/null
true"""
    return Probe(name="records", linux=text, macos=text)


_NO_SERVER = re.compile(
    r"^no server running on |^error connecting to .*\(No such file or directory\)$"
    r"|^no current target$"  # the last window was closed this very moment
)
# tmux's client.c; any other error, such as a socket that may not be opened, says nothing of windows


def read_tmux(answer: Answer) -> tuple[str | None, tuple[Pane, ...] | None, str]:
    """tmux's version (None: not there), our panes (None: not known) and the reason for a None."""
    lines = answer.text.splitlines()
    if answer.exit_status == 0:
        panes = tuple(pane for line in lines if (pane := _pane(line)))
        return (lines[0].partition("|")[0] if lines else None), panes, ""
    version = re.search(r"^tmux (?:next-)?(\S+)$", answer.text, re.M)
    if answer.exit_status == 127 or version is None:
        said = answer.text.strip() if answer.exit_status != 127 else ""
        return None, None, said or "tmux is not installed, or not in PATH"
    said = lines[0]
    if _NO_SERVER.search(said):
        return version[1], (), ""
    return version[1], None, said


def _pane(line: str) -> Pane | None:
    fields = line.split("|")
    pid = whole(fields[4]) if len(fields) == len(_PANE_FIELDS) else None
    if pid is None or not fields[8]:
        return None
    _, session, window_id, pane_id, _, dead, dead_status, *marks = fields
    job, instance, run, definition_hash, started = marks
    return Pane(
        session=session,
        window_id=window_id,
        pane_id=pane_id,
        pid=pid,
        dead=dead == "1",
        dead_status=whole(dead_status),
        job=job,
        instance=instance,
        run=run,
        definition_hash=definition_hash,
        started_at=_time(started),
    )


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(text or ""), UTC)
    except (ValueError, OverflowError, OSError):
        return None


_FILE_LINE = re.compile(
    r"(?P<job>[^/]+)/(?P<instance>[^/]+)/(?P<file>state|ready|searched):(?P<line>.*)"
)
_LOG_LINE = re.compile(
    r"\S+\s+[0-9]+\s+[0-9]+\s+[0-9]+\s+(?P<size>[0-9]{1,18})\s.*?"
    r"(?P<job>[^/\s]+)/(?P<instance>[^/]+)/log/(?P<offset>[0-9]{1,18})\.log$"
)
_PHASES: Mapping[str, Phase] = {
    "running": "running",
    "backoff": "backoff",
    "ended": "ended",
    "stopped": "stopped",
}


def read_records(
    answer: Answer,
) -> tuple[dict[tuple[str, str], Record], dict[tuple[str, str], int]]:
    """Records and log ends by job and instance; a record that is torn is left out."""
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
    records = {}
    for (job, instance), values in files.items():
        if phase := _PHASES.get(values.get("phase", "")):
            records[job, instance] = _record(job, instance, phase, values)
    return records, ends


def _record(job: str, instance: str, phase: Phase, values: Mapping[str, str]) -> Record:
    restarts = whole(values.get("restarts")) or 0
    run = values.get("run", "")
    attempt = f"{run} {restarts}"
    searched = values.get("searched", "")
    return Record(
        job=job,
        instance=instance,
        run=run,
        phase=phase,
        pid=whole(values.get("pid")),
        started_at=_time(values.get("started")),
        ended_at=_time(values.get("ended")),
        exit_code=whole(values.get("exit")),
        restarts=restarts,
        ready=values.get("ready") == attempt,
        log_start=whole(values.get("log")),
        searched=searched[len(attempt) + 1 :] if searched.startswith(f"{attempt} ") else "",
    )


def read_listeners(os_name: str, answer: Answer) -> tuple[Listener, ...] | None:
    """The listeners, or None where the tool is missing or failed."""
    if answer.exit_status != 0:
        return None
    return parse_lsof(answer.text) if os_name == "macos" else parse_ss(answer.text)


def read_connections(os_name: str, answer: Answer) -> tuple[Connection, ...] | None:
    """The open connections, or None where the tool is missing or failed."""
    if answer.exit_status != 0:
        return None
    if os_name == "macos":
        return parse_lsof_connections(answer.text)
    return parse_ss_connections(answer.text)


def read_runs(answer: Answer) -> dict[str, tuple[int, ...]]:
    """Run id to process ids."""
    runs: dict[str, list[int]] = {}
    pid = r"([0-9]{1,18})"
    pattern = rf"^/proc/{pid}/environ:{RUN_VARIABLE}=([0-9a-f]+)$|^{pid} ([0-9a-f]+)$"
    for match in re.finditer(pattern, answer.text, re.M):
        runs.setdefault(match[2] or match[4], []).append(int(match[1] or match[3]))
    return {run: tuple(pids) for run, pids in runs.items()}
