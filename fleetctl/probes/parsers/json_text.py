"""JSON in the output of a command, possibly among other lines."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from fleetctl.patterns import pattern

_TRIES = 64  # lines that look like a beginning; bounds the time for a text of brackets
_BEGINNING = pattern(r"^[ \t]*([\[{])", re.MULTILINE)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are no JSON


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def json_values(text: str) -> list[Any]:
    """The JSON arrays and objects that begin on a line of their own, in order."""
    found: list[Any] = []
    end = 0
    for tries, beginning in enumerate(_BEGINNING.finditer(text)):
        if tries == _TRIES:
            break
        if beginning.start(1) < end:
            continue
        try:
            value, end = _DECODER.raw_decode(text, beginning.start(1))
        except (ValueError, RecursionError):
            continue
        found.append(value)
    return found


def objects(text: str) -> list[dict[str, Any]] | None:
    """The first array of objects in ``text``, as ``ip -j`` prints it."""
    for value in json_values(text):
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
    return None


def looks_like_json(text: str) -> bool:
    """Whether a line of ``text`` begins like JSON; if it cannot be read, it was cut off."""
    return _BEGINNING.search(text) is not None


def string(value: object) -> str | None:
    """``value`` if it is a string that is not empty."""
    return value if isinstance(value, str) and value else None


def integer(value: object) -> int | None:
    """``value`` if it is a whole number of at most 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        return None
    return value


def decimal(value: object) -> float | None:
    """``value`` if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 else None


def strings(value: object) -> tuple[str, ...]:
    """The strings in ``value``, if it is a list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
