"""The JSON Schema of a status, with all problem codes. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from fleetctl.health.kinds.registry import KINDS
from fleetctl.model.status import FleetStatus


def status_schema() -> dict[str, Any]:
    """The schema, ready for JSON."""
    schema = msgspec.json.schema(FleetStatus)
    schema["$defs"]["Problem"]["properties"]["code"]["enum"] = list(KINDS)
    return schema
