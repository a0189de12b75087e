"""The offset of a node's clock, and its error bar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.probes.asked import clock
from fleetctl.probes.probe import Told, Unanswered
from fleetctl.probes.script import Answer, Machine

SENT_S = 1_800_000_000.0


def told(text: str, os: OS = "linux", asked_s: float | None = SENT_S) -> Told:
    return Told(Answer(text, 0), Machine(os, "n", "arm64"), Questions("f", "n"), asked_s=asked_s)


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes two seconds after the question."""
    monkeypatch.setattr("time.time", lambda: SENT_S + 2)


@pytest.mark.usefixtures("answered")
@pytest.mark.parametrize(
    ("text", "offset_s", "error_s"),
    [
        ("1800000001.250000000\n", 0.25, 1.0),
        ("1800000001\n", 0.5, 1.5),
        ("1800000001.%N\n", 0.5, 1.5),  # a date that is not GNU's
        ("1799999941\n", -59.5, 1.5),
    ],
)
def test_the_error_bar_is_half_of_the_round_trip(
    text: str, offset_s: float, error_s: float
) -> None:
    assert clock.measured(told(text)) == (offset_s, error_s)


@pytest.mark.usefixtures("answered")
def test_where_it_is_not_known_when_the_question_was_sent_only_the_answer_counts() -> None:
    assert clock.measured(told("1800000002", asked_s=None)) == (0.5, 0.5)


def test_what_is_no_time_is_the_reason() -> None:
    assert clock.measured(told("date: not found")) == Unanswered("date: not found (exit status 0)")


@given(
    read_after_s=st.floats(0, 30), answer_after_s=st.floats(0, 30), ahead_s=st.floats(-1e4, 1e4),
    whole=st.booleans(),
)  # fmt: skip
def test_the_true_offset_is_within_the_error_bar(
    read_after_s: float, answer_after_s: float, ahead_s: float, whole: bool
) -> None:
    moment_s = SENT_S + read_after_s + ahead_s
    text = f"{int(moment_s)}" if whole else f"{int(moment_s)}.{int(moment_s % 1 * 1e9):09}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: SENT_S + read_after_s + answer_after_s)
        found = clock.measured(told(text))
    assert isinstance(found, tuple)
    offset_s, error_s = found
    assert abs(offset_s - ahead_s) <= error_s + 0.002
