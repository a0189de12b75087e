"""The windows of fleetctl's own tmux server."""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import NO_ANSWER, NodeFacts, Pane
from fleetctl.model.layout import TMUX_OPTIONS, TMUX_SOCKET
from fleetctl.patterns import pattern
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.probe import Ask, Probe, Told
from fleetctl.probes.script import Answer
from fleetctl.probes.times import epoch_time

_PANE_FIELDS = (
    "version",
    "session_name",
    "window_id",
    "pane_dead",
    "pane_dead_status",
    *(f"@fleetctl_{name}" for name in TMUX_OPTIONS),
)
# Separated by "|", which names in nodes.yaml cannot contain; tmux turns tabs into "_" in some
# locales.
_PANE_FORMAT = "|".join(f"#{{{field}}}" for field in _PANE_FIELDS)

# Without a socket of that name no server runs, which the shell can see without starting tmux.
_TMUX = f"""command -v tmux >/dev/null || exit 127
for s in "${{TMUX_TMPDIR:-/tmp}}"/tmux-*/{TMUX_SOCKET}; do [ -e "$s" ] && break; done
[ -e "$s" ] || {{ echo "no server running on $s"; tmux -V; exit 1; }}
tmux -u -L {TMUX_SOCKET} list-panes -a -F '{_PANE_FORMAT}' && exit
tmux -V; exit 1"""


class TmuxServer(Struct, frozen=True):
    """What tmux says of itself."""

    version: str | None
    """None: tmux is not installed, or cannot be run."""
    panes: tuple[Pane, ...] | None
    """None: not known."""
    why: str = ""
    """The reason for a None."""


_NO_SERVER = pattern(
    r"^no server running on |^error connecting to .*\(No such file or directory\)$"
    r"|^no current target$"  # the last window has just been closed
)
"""Errors that mean that there is no server (tmux's client.c)."""


def read_tmux(answer: Answer) -> TmuxServer:
    """The answer of tmux. No server: no windows; any other error: the windows are not known."""
    lines = answer.text.splitlines()
    if answer.exit_status == 0:
        panes = tuple(pane for line in lines if (pane := _pane(line)))
        return TmuxServer(lines[0].partition("|")[0] if lines else None, panes)
    version = re.search(r"^tmux (?:next-)?(\S+)$", answer.text, re.M)
    if answer.exit_status == 127:
        return TmuxServer(None, None, "tmux is not installed, or not in PATH")
    if version is None:
        said = lines[-1][:200] if lines else f"exit status {answer.exit_status}"
        # tmux itself complains, or it was not run: the shell could not fork
        return TmuxServer(None, None, said if said.startswith("tmux: ") else f"{NO_ANSWER}: {said}")
    said = lines[0]
    if _NO_SERVER.search(said):
        return TmuxServer(version[1], ())
    return TmuxServer(version[1], None, said)


def _pane(line: str) -> Pane | None:
    fields = line.split("|")
    if len(fields) != len(_PANE_FIELDS):
        return None
    _, session, window_id, dead, dead_status, *options = fields
    job, instance, run, definition_hash, started = options
    if not instance:
        return None
    return Pane(
        session=session,
        window_id=window_id,
        dead=dead == "1",
        dead_status=whole(dead_status),
        job=job,
        instance=instance,
        run=run,
        definition_hash=definition_hash,
        started_at=epoch_time(started),
    )


def _read(told: Told) -> TmuxServer:
    return read_tmux(told.answer)


def _into(facts: NodeFacts, server: TmuxServer) -> NodeFacts:
    unknown = {**facts.unknown, **({} if server.panes is not None else {"tmux": server.why})}
    return replace(facts, tmux_version=server.version, panes=server.panes, unknown=unknown)


PROBE = Probe(
    name="tmux",
    when="services",
    on={"linux": Ask(_TMUX, _read), "macos": Ask(_TMUX, _read)},
    into=_into,
)
