"""Which paths are measured, and in which order."""

from __future__ import annotations

import pytest

from fleetctl.bench.paths import choose
from fleetctl.model.bench import BenchPath
from tests.bench.fleets import EDGE, EXPECTATIONS, FABRIC, FLEET, JOB, LONG

ALL = list(FLEET.nodes)


def labels(paths: tuple[BenchPath, ...]) -> list[str]:
    return [path.label for path in paths]


def test_links_come_before_the_paths_of_the_job_over_several() -> None:
    chosen = choose(FLEET, EXPECTATIONS, JOB, ALL)
    assert labels(chosen.paths) == [
        "mini2 → mini1 (fabric)",
        "mini3 → mini1 (fabric)",
        "pi5 → mini1 (edge50)",
        "pi4 → mini3 (edge51)",
        "pi4 → mini3 → mini1 (fabric)",
    ]
    assert {EDGE, FABRIC, LONG} <= set(chosen.paths)
    assert chosen.left_out == ()


def test_a_gateway_that_serves_is_measured_at_the_address_that_the_job_uses() -> None:
    [path] = choose(FLEET, EXPECTATIONS, JOB, ["pi5"]).paths
    assert (path.source, path.address) == ("192.168.50.2", "10.10.0.1")
    assert path.network == "edge50"


def test_a_target_keeps_the_links_of_its_paths() -> None:
    assert choose(FLEET, EXPECTATIONS, JOB, ["pi4"]).paths == (EDGE, FABRIC, LONG)


def test_paths_that_cannot_be_measured_are_told_with_the_reason() -> None:
    chosen = choose(FLEET, EXPECTATIONS, FLEET.jobs["inference"], ALL)
    assert not chosen.paths
    assert [(one.node, one.peer, one.reason) for one in chosen.left_out] == [
        ("mini2", "ipad", "ipad cannot be logged into (connection: none)"),
        ("laptop", "mini1", "nodes.yaml does not say how laptop reaches fabric"),
    ]


@pytest.mark.parametrize("everything", [True, False])
def test_all_data_paths_are_measured_on_request_or_without_a_job(everything: bool) -> None:
    chosen = choose(FLEET, EXPECTATIONS, JOB if everything else None, ALL, everything=everything)
    found = labels(chosen.paths)
    assert len(found) == len(set(found)) == 9
    assert "wifi" not in " ".join(found)
    assert "pi5 → mini1 → mini3 (fabric)" in found
    assert [len(p.hops) for p in chosen.paths] == sorted(len(p.hops) for p in chosen.paths)
