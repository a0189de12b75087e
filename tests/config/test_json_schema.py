"""The JSON Schema accepts what the reader accepts, and refuses what a schema can refuse."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from fleetctl.config.schema import schema
from tests.config.test_any_text import SHIPPED
from tests.config.texts import RIGHT, edited

SCHEMA = schema()
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def accepts(rule: dict[str, Any], value: Any) -> bool:
    """Whether ``value`` is valid by ``rule``, for the keywords that the schema uses."""
    return all(_obeys(word, limit, rule, value) for word, limit in rule.items())


def _obeys(word: str, limit: Any, rule: dict[str, Any], value: Any) -> bool:
    match word:
        case "$schema" | "title" | "description" | "definitions":
            return True
        case "$ref":
            return accepts(SCHEMA["definitions"][limit.removeprefix("#/definitions/")], value)
        case "type":
            is_bool = isinstance(value, bool)
            return isinstance(value, TYPES[limit]) and is_bool == (limit == "boolean")
        case "enum":
            return any(value == one for one in limit)
        case "anyOf":
            return any(accepts(one, value) for one in limit)
        case "allOf":
            return all(accepts(one, value) for one in limit)
        case "oneOf":
            return sum(accepts(one, value) for one in limit) == 1
        case "not":
            return not accepts(limit, value)
        case "pattern" | "minLength" | "maxLength":
            return not isinstance(value, str) or _text_obeys(word, limit, value)
        case "minimum" | "maximum" | "exclusiveMinimum":
            return not isinstance(value, int | float) or _number_obeys(word, limit, value)
        case "items":
            return not isinstance(value, list) or all(accepts(limit, one) for one in value)
        case "minItems":
            return not isinstance(value, list) or len(value) >= int(limit)
    return not isinstance(value, dict) or _mapping_obeys(word, limit, rule, value)


def _text_obeys(word: str, limit: Any, value: str) -> bool:
    if word == "pattern":
        return re.search(limit, value) is not None
    return len(value) >= int(limit) if word == "minLength" else len(value) <= int(limit)


def _number_obeys(word: str, limit: float, value: float) -> bool:
    if word == "exclusiveMinimum":
        return value > limit
    return value >= limit if word == "minimum" else value <= limit


def _mapping_obeys(word: str, limit: Any, rule: dict[str, Any], value: dict[str, Any]) -> bool:
    match word:
        case "required":
            return set(limit) <= set(value)
        case "minProperties":
            return len(value) >= int(limit)
        case "properties":
            return all(accepts(limit[key], value[key]) for key in value if key in limit)
        case "propertyNames":
            return all(accepts(limit, key) for key in value)
        case "additionalProperties":
            others = [v for k, v in value.items() if k not in rule.get("properties", {})]
            return not others if limit is False else all(accepts(limit, v) for v in others)
    raise AssertionError(f"the schema uses the keyword {word!r}, which this test does not know")


class _Loader(yaml.SafeLoader):
    """Reads ``on`` as text, like YAML 1.2 and editors."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":bool")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


def values(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)


@pytest.mark.parametrize("text", [RIGHT, SHIPPED, "fleet: f\nnodes: {a: }"])
def test_it_accepts_what_is_right(text: str) -> None:
    assert accepts(SCHEMA, values(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("fleet: lab\n", "§"),
        ("internet:", "§internets:"),
        ("os: macos", "os: §windows"),
        ("port: 22", "port: §0"),
        ("port: 22", "port: §'22'"),
        ("gateway: true", "gateway: §2"),
        ("{cidr: 10.10.0.0/24}", "§{}"),
        ("listening: true", "listening: true, §log: x"),
        ("timeout: 60", "§timout: 60"),
        ("stop: {signal: INT", "liveness: {§interval: 5}\n        stop: {signal: INT"),
        ("stop: {signal: INT", "liveness: {http: x, §silence: 5}\n        stop: {signal: INT"),
        ("on: [mini2, pi5]", "on: §[]"),
        ("LEVEL: debug", "§1LEVEL: debug"),
        ("signal: INT", "signal: §STOP"),
        ("policy: on-failure", "policy: §sometimes"),
        ("fleet: lab", "fleet: §my lab"),
    ],
)
def test_it_refuses_what_is_wrong(old: str, new: str) -> None:
    assert not accepts(SCHEMA, values(edited((old, new))[0]))


def test_every_key_is_described() -> None:
    entries = [SCHEMA, *SCHEMA["definitions"].values()]
    assert len(entries) == 18
    for entry in entries:
        assert entry["additionalProperties"] is False
        for key, rule in entry["properties"].items():
            assert rule.get("description"), key
