"""No parser raises, whatever the text: noise, cut and shuffled output, absurd numbers."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.probes import parsers
from fleetctl.probes.parsers import failures, nmcli
from fleetctl.probes.parsers.ip_route import Entry as RouteEntry
from fleetctl.probes.parsers.ip_route_get import Way
from fleetctl.probes.parsers.netstat_routes import Table, routes
from fleetctl.probes.parsers.ping import PingSummary
from fleetctl.probes.parsers.route_get import RouteGet
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.parsers.vm_stat import VmStat
from tests.thoroughness import examples, one_in

HERE = Path(__file__).parents[2] / "fixtures"
TEXTS = sorted(path.read_text(errors="replace") for path in HERE.glob("*/*/*.txt"))
ASKED = IPv4Address("10.10.0.1")


def _parsers() -> dict[str, Callable[[str], object]]:
    found: dict[str, Callable[[str], object]] = {
        "nmcli.split_terse": nmcli.split_terse,
        "failures.failure": failures.failure,
    }
    for info in pkgutil.iter_modules(parsers.__path__):
        module = importlib.import_module(f"{parsers.__name__}.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("parse_") and function.__module__ == module.__name__:
                found[f"{info.name}.{name}"] = function
    return found


PARSERS = _parsers()
either = pytest.mark.parametrize("name", sorted(PARSERS))


def _parse(name: str, text: str) -> None:
    found = PARSERS[name](text)
    if isinstance(found, Unparsed):
        assert found.text == text
        assert found.reason
    elif isinstance(found, PingSummary):
        found.echo()
    elif isinstance(found, Way | RouteGet):
        found.taken(ASKED)
    elif isinstance(found, Table):
        routes(found.rows)
    elif isinstance(found, VmStat):
        assert found.used_bytes is None or found.used_bytes >= 0
    elif isinstance(found, tuple):
        for item in found:
            if isinstance(item, RouteEntry):
                item.route()


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A recorded text with lines lost, moved or cut, or with a huge number."""
    text = draw(st.sampled_from(TEXTS))
    lines = text.splitlines(keepends=True)[:60]
    match draw(st.sampled_from(("cut", "lose", "shuffle", "grow", "replace", "join"))):
        case "cut":
            return text[: draw(st.integers(0, len(text)))]
        case "lose":
            kept = draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))
            return "".join(line for line, keep in zip(lines, kept, strict=True) if keep)
        case "shuffle":
            return "".join(draw(st.permutations(lines)))
        case "grow":
            numbers = list(re.finditer(r"\d+", text))
            if not numbers:
                return text
            number = draw(st.sampled_from(numbers))
            digits = draw(st.sampled_from(("9" * 5000, "0", "-1", "1e999", "NaN", "99999999999")))
            return text[: number.start()] + digits + text[number.end() :]
        case "replace":
            at = draw(st.integers(0, len(text)))
            return text[:at] + draw(st.text(max_size=5)) + text[at + draw(st.integers(0, 9)) :]
        case _:
            return draw(st.text(max_size=40)) + "\n" + text + draw(st.sampled_from(TEXTS))


@either
@settings(max_examples=examples(60), deadline=None)
@given(text=st.text())
def test_arbitrary_text(name: str, text: str) -> None:
    _parse(name, text)


@either
@settings(max_examples=examples(120), deadline=None)
@given(text=spoilt())
def test_spoilt_output(name: str, text: str) -> None:
    _parse(name, text)


LONG = {
    "brackets": "[" * 100_000,
    "bracket lines": "[\n" * 50_000,
    "objects": '{"a":' * 50_000,
    "blanks": " " * 200_000 + "x",
    "digits": "1" * 200_000,
    "dots": "1." * 100_000,
    "colons": "a:" * 100_000,
    "escapes": "\\:" * 100_000,
    "one word": "x" * 200_000,
    "words": "on at " * 50_000,
    "ping": "PING " + "From a bytes from " * 10_000,
    "hop": " 1 " + "1.1.1.1 " * 20_000,
    "parentheses": "(" * 100_000,
    "surrogate": "\ud800 nul \x00 " * 100,
}


# five and the number of kinds have no common divisor: every parser gets some, of every kind
@pytest.mark.parametrize(("name", "kind"), one_in(5, product(sorted(PARSERS), sorted(LONG))))
def test_long_text_is_read_in_time(name: str, kind: str) -> None:
    began = time.process_time()
    _parse(name, LONG[kind])
    assert time.process_time() - began < 1
