"""What others wrote cannot tell a terminal what to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import ConnectFailed, FleetctlError
from fleetctl.escaping import harmless, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain “ünïcödé” 日本 🦊", "plain “ünïcödé” 日本 🦊"),
        ("\x1b]52;c;ZXZpbA==\x07", r"\x1b]52;c;ZXZpbA==\x07"),
        ("all\r\nis\twell", "all  is well"),
        ("\x9b2J\x85", r"\x9b2J\x85"),
        ("a\u202eb\u2066c\u200bd\ufeffe\u2028f", r"a\u202eb\u2066c\u200bd\ufeffe\u2028f"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_is_left_that_is_obeyed(text: str) -> None:
    shown = visible(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    assert visible(shown) == shown


@given(st.text())
def test_what_is_harmless_keeps_its_lines(text: str) -> None:
    shown = harmless(text)
    assert len(shown) == len(text)
    assert not any((ord(c) < 0x1C and c not in "\t\n") or 127 <= ord(c) < 160 for c in shown)
    assert shown.count("\n") == text.count("\n")


def test_an_error_says_it_safely() -> None:
    error = ConnectFailed("pi4", "it says '\x1b[2J'", hint="type \x1b[3m")
    said = (str(error), error.reason, error.message, error.hint, str(Exception(*error.args)))
    assert not any("\x1b" in one for one in said)
    assert str(FleetctlError("a\x07")) == r"a\x07"
