"""Combining answers, of which later ones may cover fewer probes."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from fleetctl.model.network import Echo, EchoRound
from fleetctl.probes.asked.echoes import Echoes, measured
from fleetctl.probes.asked.runs import Runs
from fleetctl.probes.node import Answered
from fleetctl.probes.probe import Unanswered

MORNING, NOON = (datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (8, 12))
A, B = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
HEARD, SILENT = Echo(1, 1, 0.2), Echo(3, 0)


def said(at: datetime, *without: str, **values: Any) -> Answered:
    """An answer; the probes called ``without`` were asked and have no value."""
    named = {name.replace("_", "-"): value for name, value in values.items()}
    return Answered(at, named, frozenset([*named, *without]))


def echoes(**by_name: Echo) -> Echoes:
    found = {{"a": A, "b": B}[name]: echo for name, echo in by_name.items()}
    return Echoes(frozenset(found), found, {}, {})


def test_answers_that_are_not_asked_again_are_kept() -> None:
    deep = said(MORNING, clock=(7.0, 0.5), runs=Runs({"r": (1,)}, frozenset()))
    known = deep.renewed(said(NOON, runs=Runs({"r": (2,)}, frozenset()))).facts()
    assert (known.reliability.clock_offset_s, known.runs, known.measured_at) == (
        7.0,
        {"r": (2,)},
        NOON,
    )


def test_a_later_reason_replaces_an_earlier_value_and_vice_versa() -> None:
    known = said(MORNING, clock=(7.0, 0.5)).renewed(said(NOON, clock=Unanswered("date: not found")))
    assert known.facts().reliability.clock_offset_s is None
    assert known.facts().unknown == {"clock": "date: not found"}
    again = known.renewed(said(NOON, clock=(3.0, 0.5))).facts()
    assert (again.reliability.clock_offset_s, again.unknown) == (3.0, {})


def test_a_value_that_is_gone_is_not_kept() -> None:
    known = said(MORNING, clock=(7.0, 0.5)).renewed(said(NOON, "clock"))
    assert known.facts().reliability.clock_offset_s is None


def test_pings_are_renewed_by_address() -> None:
    deep = said(MORNING, echoes=echoes(a=SILENT, b=SILENT))
    known = deep.renewed(said(NOON, echoes=echoes(a=HEARD))).facts()
    assert known.network.echoes == {A: HEARD, B: SILENT}


def test_a_later_ping_that_was_not_understood_replaces_the_earlier_one() -> None:
    deep = said(MORNING, echoes=echoes(a=HEARD))
    odd = Echoes(frozenset([A]), {}, {}, {A: "ping: nonsense"})
    known = deep.renewed(said(NOON, echoes=odd)).facts()
    assert known.network.echoes == {}
    assert known.unknown == {f"echo {A}": "ping: nonsense"}


def test_a_probe_that_is_left_out_is_unknown_with_the_reason() -> None:
    known = said(MORNING, clock=(7.0, 0.5)).without_answer(frozenset({"clock"}), "it hangs").facts()
    assert (known.reliability.clock_offset_s, known.unknown) == (None, {"clock": "it hangs"})


def looked(slot: int, came: int, sent: int = 1) -> Echoes:
    """A look that sent echoes to a alone, in the half minute ``slot``."""
    return measured(frozenset([A]), {A: Echo(sent, came, 0.2 if came else None)}, {}, {}, slot)


def kept(*looks: Echoes) -> tuple[EchoRound, ...]:
    known = said(MORNING, echoes=looks[0])
    for look in looks[1:]:
        known = known.renewed(said(NOON, echoes=look))
    return known.facts().network.rounds.get(A, ())


def test_echoes_of_the_same_half_minute_are_one_round() -> None:
    assert kept(looked(7, 1), looked(7, 9, sent=10), looked(8, 0)) == (
        EchoRound(7, 11, 10, 0.2), EchoRound(8, 1, 0, None),
    )  # fmt: skip


def test_rounds_of_the_last_minutes_are_kept() -> None:
    assert [r.slot for r in kept(*(looked(slot, 1) for slot in range(20)))] == list(range(15, 20))


def test_after_ten_lost_echoes_in_a_row_the_rounds_begin_anew() -> None:
    before = [looked(1, 10, sent=10)]
    assert [r.sent for r in kept(*before, *[looked(2, 0)] * 9, looked(3, 1))] == [10, 9, 1]
    assert kept(*before, *[looked(2, 0)] * 10) == ()
    assert kept(*before, looked(2, 0, sent=10), looked(3, 0)) == ()
    assert kept(*before, looked(2, 0, sent=10), looked(3, 0), looked(3, 1)) == (
        EchoRound(3, 1, 1, 0.2),
    )
    assert kept(looked(1, 0, sent=10)) == ()


def test_a_ping_that_sent_nothing_is_no_round() -> None:
    assert kept(looked(1, 0, sent=0)) == ()


def test_a_watched_address_is_heard_until_several_echoes_in_a_row_are_lost() -> None:
    def heard(*looks: Echoes) -> bool:
        known = said(MORNING, echoes=looks[0])
        for look in looks[1:]:
            known = known.renewed(said(NOON, echoes=look))
        return known.facts().network.heard(A)

    assert not heard(looked(1, 0))  # asked once
    assert heard(looked(1, 1), looked(1, 0), looked(1, 0))
    assert not heard(looked(1, 1), *[looked(1, 0)] * 3)
    assert not heard(looked(1, 1), looked(1, 0, sent=10))
    assert heard(looked(1, 1), *[looked(1, 0)] * 2, looked(1, 1), looked(1, 0))
    by_port = measured(frozenset([A]), {A: Echo(1, 0)}, {A: True}, {}, 1)
    assert heard(looked(1, 1), *[looked(1, 0)] * 2, by_port, looked(1, 0))
