"""check on links that work badly, and on Macs that answer no ping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import eventually
from tests.e2e.guide import GUIDE_MACS, check

pytestmark = pytest.mark.lab

MEASURED = GUIDE_MACS.replace(
    "kind: thunderbolt}", "kind: thunderbolt, expect: {rtt_ms: 0.5}}"
).replace("kind: ethernet}", "kind: ethernet, expect: {rtt_ms: 1.5}}")


@pytest.fixture(scope="module")
def guide(make_lab: MakeLab) -> Lab:
    return make_lab(MEASURED)


@pytest.fixture
def lab(guide: Lab) -> Iterator[Lab]:
    """Healthy again after each test, which a check confirms."""
    yield guide
    guide.heal()
    eventually(lambda: check(guide)["problems"] == [], "all is well again", timeout_s=20)


def told(lab: Lab) -> dict[tuple[str, str | None], dict[str, Any]]:
    return {(p["code"], p["node"]): p for p in check(lab)["problems"]}


LOSSY, SLOW = ("link-lossy", "packet-loss"), ("link-slow", "rtt-high")
SWITCH = ("mini2", "fabric", {"mini1", "mini3", "pi4", "pi5"})
CABLE = ("mini3", "edge51", {"mini1", "mini2", "mini3"})
LONG = pytest.mark.long  # 10 s each


@pytest.mark.parametrize(
    ("fault", "code", "node", "network", "affects"),
    [
        (*LOSSY, *SWITCH),
        pytest.param(*LOSSY, *CABLE, marks=LONG),
        pytest.param(*SLOW, *SWITCH, marks=LONG),
        pytest.param(*SLOW, *CABLE, marks=LONG),  # tests/health/test_quality.py tries it, too
    ],
)
def test_a_bad_link_is_one_problem(
    lab: Lab, fault: str, code: str, node: str, network: str, affects: set[str]
) -> None:
    lab.fault(fault, node, network=network)
    expected = {(code, "pi4" if network == "edge51" else node): ("warning", affects)}

    def found() -> bool:
        """By chance so few may be lost on one path that the loss seems to be on another."""
        return {
            key: (problem["severity"], set(problem["affects"]))
            for key, problem in told(lab).items()
        } == expected

    eventually(found, "it is told", timeout_s=20)


def test_stealth_is_well_and_a_fabric_that_carries_nothing_is_not(lab: Lab) -> None:
    minis = ("mini1", "mini2", "mini3")
    for name in minis:
        lab.fault("stealth", name)
    status = check(lab)
    assert status["problems"] == []
    rows = [r for r in status["nodes"]["pi4"]["reachability"] if r["node"] == "mini1"]
    assert [(r["observed"], r["rtt_ms"]) for r in rows if r["expected"]] == [(True, None)] * 2
    for name in minis:
        lab.fault("link-blackhole", name, network="fabric")
    problem = told(lab)["unreachable", None]
    assert (problem["severity"], problem["affects"]) == ("error", list(minis))
