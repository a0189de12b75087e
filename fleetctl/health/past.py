"""What a node noted while nobody watched, as sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from fleetctl.health.services import code_and_meaning
from fleetctl.model.events import Event
from fleetctl.model.past import Past, PastLine

SAME_BOOT_S = 30
"""macOS corrects the time of its boot with its clock."""


def past_events(node: str, past: Past, ahead_s: float) -> Iterator[Event]:
    """The boot, and each begin and end of an attempt, in the order of time.

    :param ahead_s: by how much the node's clock is ahead of the controller's.
    """
    found = [_of_line(node, line, ahead_s) for line in past.lines]
    if past.booted_s is not None and (at := _time(past.booted_s - ahead_s)):
        word = past.boot or str(round(past.booted_s / SAME_BOOT_S))
        text = f"{node} was booted"
        found.append(Event(at, "ok", text, "node", node, node=node, key=f"boot {node} {word}"))
    yield from sorted(filter(None, found), key=lambda event: event.at)


def _of_line(node: str, line: PastLine, ahead_s: float) -> Event | None:
    at = _time(line.at_s - ahead_s)
    if at is None:
        return None
    name, code, why = line.instance, line.exit_code, ""
    if line.what == "end":
        state = "exited" if code == 0 else "failed"
        why = "" if code is None else code_and_meaning(code)
        text = f"{name} ended with {why}" if why else f"{name} ended"
    elif line.restarts:
        state, text = "restarting", f"{name} was started again, restart {line.restarts}"
    else:
        state, text = "starting", f"{name} was started"
    key = f"past {node} {line.job}/{name} {line.run} {line.restarts} {line.what}"
    return Event(at, state, text, "instance", name, node, line.job, cause=why, key=key)


def _time(at_s: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(at_s, UTC)
    except (ValueError, OverflowError, OSError):  # the node's clock was far off
        return None
