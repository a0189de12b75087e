"""What the next boot of the shipped cluster brings is told, written down, and so."""

from __future__ import annotations

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import eventually
from tests.e2e.guide import GUIDE_MACS, check, errors

pytestmark = pytest.mark.lab


@pytest.fixture
def lab(healed_guide: Lab) -> Lab:
    """Healthy again after each test, which a check confirms."""
    return healed_guide


@pytest.mark.long  # 40 s
def test_as_the_guide_says_return_routes_are_missing_and_are_repaired(make_lab: MakeLab) -> None:
    lab = make_lab(GUIDE_MACS, as_guide=True)
    found = check(lab)
    assert {(p["code"], p["node"], tuple(p["affects"])) for p in found["problems"]} == {
        ("return-route-missing", "mini1", ("pi4",)),
        ("return-route-missing", "mini2", ("pi5", "pi4")),
        ("return-route-missing", "mini3", ("pi5",)),
    }
    shown = lab.run("controller", ["fleetctl", "fix"], timeout_s=60)
    assert b"route -n add -net 192.168.51.0/24 10.10.0.3" in shown.stdout
    assert check(lab)["problems"] == found["problems"]  # showing changes nothing
    fixed = lab.run("controller", ["fleetctl", "fix", "--apply", "--yes"], timeout_s=60)
    assert fixed.returncode == 0, fixed.stderr.decode()
    end = fixed.stdout.decode().splitlines()[-1]
    assert end == "gone at the next boot; to keep it: fleetctl fix --apply --persistent"
    left = check(lab)["problems"]
    assert {(p["code"], p["node"], p["severity"]) for p in left} == {
        ("route-not-persistent", f"mini{number}", "warning") for number in (1, 2, 3)
    }
    kept = lab.run(
        "controller", ["fleetctl", "fix", "--apply", "--persistent", "--yes"], timeout_s=60
    )
    assert kept.returncode == 0, kept.stderr.decode()
    assert check(lab)["problems"] == []
    for node in ("mini1", "mini2", "mini3"):
        lab.fault("power-off", node)
    lab.heal()
    eventually(lambda: check(lab)["problems"] == [], "it lasts over a reboot", timeout_s=20)


@pytest.mark.parametrize("node", ["mini2", pytest.param("pi4", marks=pytest.mark.long)])
def test_what_the_next_boot_brings_instead_is_told_and_is_so(lab: Lab, node: str) -> None:
    lab.fault("address-not-persistent", node)
    lab.fault("route-not-persistent", node)
    status = check(lab)
    codes = {"address-not-persistent", "route-not-persistent"}
    assert {(p["code"], p["node"]) for p in status["problems"]} == {(c, node) for c in codes}
    told = status["nodes"][node]
    [row] = [row for row in told["addresses"] if row["persistent"] is False]
    assert row["ok"] is True
    lab.fault("power-off", node)
    lab.heal("power-off")
    eventually(
        lambda: ("address-missing", node) in errors(check(lab)), "it came true", timeout_s=20
    )
    instead = row["persistent_reason"].rpartition(" ")[2].partition("/")[0]
    [problem] = [p for p in check(lab)["problems"] if p["code"] == "address-missing"]
    assert f"(it has {instead} there)" in problem["summary"]
    lab.heal()
    lab.fault("power-off", node)  # what is written down again comes with the next boot


@pytest.mark.long  # 11 s each
@pytest.mark.parametrize("node", ["mini2", "pi4"])
def test_what_is_not_written_down_is_written_down(lab: Lab, node: str) -> None:
    lab.fault("address-not-persistent", node)
    lab.fault("route-not-persistent", node)
    fixed = lab.run(
        "controller", ["fleetctl", "fix", "--apply", "--persistent", "--yes"], timeout_s=60
    )
    assert fixed.returncode == 0, (fixed.stdout.decode(), fixed.stderr.decode())
    assert check(lab)["problems"] == []
    lab.fault("power-off", node)
    lab.heal("power-off")
    eventually(lambda: check(lab)["problems"] == [], "it lasts over a reboot", timeout_s=20)
