"""What figures mean, and the likeliest reason."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from fleetctl.bench.verdict import (
    expected_mbit_s,
    expected_rtt_ms,
    held_against,
    narrow_because,
    quick,
    share,
    too_fast,
    wide,
)
from fleetctl.model.bench import Best, Flow, Measured, Port
from tests.bench.fleets import EDGE, FLEET, LONG, MAY, measured

BEFORE = Best(0.4, MAY, 940.0, MAY, 940.0, MAY)
FULL, HUNDRED = (Port("pi4", "edge51", "eth0", speed, f"{speed} Mbit/s") for speed in (1000, 100))


def test_a_path_is_as_slow_as_its_links_together_and_as_narrow_as_the_narrowest() -> None:
    assert (expected_rtt_ms(FLEET, LONG), expected_mbit_s(FLEET, LONG)) == (2.0, 800)
    wifi = replace(EDGE, hops=(replace(EDGE.hops[0], network="wifi"),))
    assert (expected_rtt_ms(FLEET, wifi), expected_mbit_s(FLEET, wifi)) == (None, None)


@pytest.mark.parametrize(
    ("median_ms", "expected", "best", "ok", "where"),
    [
        (0.4, 1.5, Best(), True, ""),
        (2.9, 1.5, Best(), True, ""),
        (9.4, 1.5, Best(), False, "where 1.5ms is expected"),
        (1.3, 1.5, BEFORE, True, ""),
        (2.0, None, BEFORE, False, "where it was 0.4ms on 12 May 2026"),
        (2.0, None, Best(), None, ""),
        (None, 1.5, BEFORE, None, ""),
    ],
)
def test_quick(
    median_ms: float | None, expected: float | None, best: Best, ok: bool | None, where: str
) -> None:
    found = quick(measured(median_ms=median_ms), expected, best)
    assert (found.ok, found.where) == (ok, where)
    assert bool(found.reason) == (ok is None)


@pytest.mark.parametrize(
    ("there", "back", "expected", "best", "ok", "where"),
    [
        (941, 938, 800, Best(), True, ""),
        (730, 720, 800, Best(), True, ""),
        (94, 93, 800, Best(), False, "where 800 Mbit/s are expected"),
        (470, 900, None, BEFORE, False, "half of what it was on 12 May 2026"),
        (
            94, 94, 800, BEFORE, False,
            "where 800 Mbit/s are expected; a tenth of what it was on 12 May 2026",
        ),
        (94, None, 800, Best(), False, "where 800 Mbit/s are expected"),
        (941, None, 800, Best(), None, ""),
        (941, 938, None, Best(), None, ""),
    ],
)  # fmt: skip
def test_wide(
    there: float,
    back: float | None,
    expected: float | None,
    best: Best,
    ok: bool | None,
    where: str,
) -> None:
    found = wide(measured(there=there, back=back), expected, best)
    assert (found.ok, found.where) == (ok, where)
    assert bool(found.reason) == (ok is None)


@pytest.mark.parametrize(
    ("figures", "ports", "wanted", "reason"),
    [
        (measured(there=94, back=93), [HUNDRED, FULL], 800,
         "eth0 of pi4 runs at 100 Mbit/s (100 Mbit/s), negotiated"),
        (measured(there=94, back=93), [FULL], 800,
         "94 Mbit/s is all that a link of 100 Mbit/s carries: it was probably negotiated down"),
        (measured(there=941, back=940), [], 2300, "all that a link of 1000 Mbit/s carries"),
        (measured(there=94, back=93), [], 110, "the figures do not say why"),
        (measured(there=200, back=210, resent=600), [FULL], 800,
         "of the segments were sent again: packets are lost"),
        (measured(there=200, back=210, lost=5), [FULL], 800, "5 % of the echoes are lost, too"),
        (measured(there=200, back=938), [FULL], 800, "only the way there is narrow"),
        (measured(there=938, back=200), [FULL], 800, "only the way back is narrow"),
        (measured(there=5000, back=5100, busy=99), [], 10000, "a processor core at one end"),
        (measured(there=400, back=410), [FULL], 800, "the figures do not say why"),
    ],
)  # fmt: skip
def test_the_likeliest_reason(
    figures: Measured, ports: list[Port], wanted: float, reason: str
) -> None:
    assert re.search(re.escape(reason), narrow_because(figures, ports, wanted))


def test_more_than_a_port_carries_went_another_way() -> None:
    said = too_fast(measured(there=941, back=940), [FULL, HUNDRED])
    assert said is not None
    assert "more than eth0 of pi4 can carry" in said
    assert too_fast(measured(), [FULL]) is None
    assert too_fast(measured(), [replace(FULL, mbit_s=None)]) is None
    assert too_fast(replace(measured(), there=Flow(), back=Flow()), [HUNDRED]) is None


def test_over_the_air_former_figures_are_not_held_against() -> None:
    wifi = replace(EDGE, hops=(replace(EDGE.hops[0], network="wifi"),))
    assert held_against(FLEET, EDGE, BEFORE) == BEFORE
    assert held_against(FLEET, wifi, BEFORE) == Best()


def test_shares_in_words() -> None:
    found = [share(part) for part in (0.51, 0.34, 0.245, 0.1, 0.37, 0.02)]
    assert found == ["half of", "a third of", "a quarter of", "a tenth of", "37 % of", "2 % of"]
