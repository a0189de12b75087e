"""Faults of the shipped cluster are repaired once, and undone."""

from __future__ import annotations

import pytest

from fleetctl.lab import Lab
from tests.e2e.guide import check, errors

pytestmark = pytest.mark.lab


@pytest.fixture
def lab(healed_guide: Lab) -> Lab:
    """Healthy again after each test, which a check confirms."""
    return healed_guide


LONG = pytest.mark.long  # 15 to 25 s each; tests/cli/test_fix.py sees both of the first two
REPAIRED = [
    pytest.param("forwarding-off", "mini1", "forwarding-off", marks=LONG),
    pytest.param("route-missing", "pi5", "route-missing", marks=LONG),
    pytest.param("wrong-gateway", "pi4", "route-wrong-gateway", marks=LONG),
    pytest.param("return-route-missing", "mini2", "return-route-missing", marks=LONG),
    pytest.param("detour", "mini2", "route-wrong-interface", marks=LONG),
    pytest.param("detour", "pi5", "route-wrong-interface", marks=LONG),
    pytest.param("default-route-stolen", "mini2", "default-route-stolen", marks=LONG),
    pytest.param("default-route-stolen", "pi5", "default-route-stolen", marks=LONG),
    pytest.param("address-missing", "mini2", "address-missing", marks=LONG),
    pytest.param("address-missing", "pi4", "address-missing", marks=LONG),
    pytest.param("wrong-prefix", "mini2", "address-wrong-prefix", marks=LONG),
    pytest.param("wrong-prefix", "pi4", "address-wrong-prefix", marks=LONG),
    pytest.param("twin-address", "mini1", "address-duplicate", marks=LONG),
    pytest.param("twin-address", "pi5", "address-duplicate", marks=LONG),
]


@pytest.mark.parametrize(("kind", "node", "code"), REPAIRED)
def test_a_fault_is_named_repaired_once_and_brought_back(
    lab: Lab, kind: str, node: str, code: str
) -> None:
    lab.fault(kind, node)
    before = check(lab)
    assert errors(before) == {(code, node)}
    (problem,) = [p for p in before["problems"] if p["severity"] == "error"]
    assert problem["fix"]["on"] == node

    fixed = lab.run("controller", ["fleetctl", "fix", "--apply", "--yes"], timeout_s=60)
    assert fixed.returncode == 0, (fixed.stdout.decode(), fixed.stderr.decode())
    assert check(lab)["problems"] == []
    again = lab.run("controller", ["fleetctl", "fix", "--apply", "--yes"], timeout_s=60)
    assert again.returncode == 0
    undone = lab.run("controller", ["fleetctl", "fix", "--undo", "--yes"], timeout_s=60)
    assert undone.returncode == 0, (undone.stdout.decode(), undone.stderr.decode())
    assert errors(check(lab)) == {(code, node)}
