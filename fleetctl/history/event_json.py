"""Events as programs read them: ``fleetctl.event/1`` (docs/cli.md)."""

from __future__ import annotations

import msgspec

from fleetctl.history.store import key_of
from fleetctl.model.events import Event

EVENT_SCHEMA = "fleetctl.event/1"


def event_json(event: Event) -> bytes:
    """One object, without line breaks."""
    fields = msgspec.to_builtins(msgspec.structs.replace(event, key=key_of(event)))
    del fields["part_of"]
    return msgspec.json.encode({"schema": EVENT_SCHEMA, **fields})
