"""The JSON Schema of nodes.yaml, for editors, made from the shape that the reader uses."""

from __future__ import annotations

from typing import Any

import msgspec

from fleetctl.config.liveness import KINDS as LIVENESS_KINDS
from fleetctl.config.ready import KINDS
from fleetctl.config.shape.file import FileEntry

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest that the YAML support of common editors understands."""


def schema() -> dict[str, Any]:
    """The schema, ready for JSON."""
    made = msgspec.json.schema(FileEntry)
    entries = {name.removesuffix("Entry"): value for name, value in made["$defs"].items()}
    top = _plain(entries.pop("File"))
    definitions = {name: _plain(value) for name, value in sorted(entries.items())}
    one_of_these = [{"required": [kind]} for kind in KINDS]
    definitions["Ready"]["oneOf"] = [*one_of_these, {"not": {"anyOf": one_of_these}}]
    definitions["Liveness"]["oneOf"] = [{"required": [kind]} for kind in LIVENESS_KINDS]
    return {
        "$schema": DIALECT,
        **top,
        "title": "fleetctl nodes.yaml",
        "definitions": definitions,
    }


def _plain(value: Any) -> Any:
    """``value`` in the dialect's form, without names of Python classes."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    plain = {k: _plain(v) for k, v in value.items() if k not in ("title", "default")}
    if "$ref" in plain:
        name = plain.pop("$ref").rpartition("/")[2].removesuffix("Entry")
        reference = {"$ref": f"#/definitions/{name}"}
        # In this dialect keys beside a $ref, such as the description, are ignored.
        return {"allOf": [reference], **plain} if plain else reference
    return plain
