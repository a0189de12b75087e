"""Problems are in the order of what they hit."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.health.order import in_order
from fleetctl.model.status import Problem
from tests.health.world import World
from tests.tui.stage import FLEET, JOB


def order(*problems: Problem, elastic: bool = False, world: World | None = None) -> list[str]:
    status = (world or World(FLEET)).check().status
    job = replace(JOB, elastic=elastic)
    return [p.code for p in in_order(FLEET, job, status, problems)]


WARNING = Problem("warned", "warning", "", "mini2", ("worker@mini2", "worker@mini3", "worker@pi4"))
ERROR = Problem("wrong", "error", "", "ipad", ("ipad", "mini2", "mini3"))
ONE = Problem("one", "error", "", "mini2", ("worker@mini2",))
ALL = Problem("all", "error", "", "mini1", ("server@mini1", "worker@mini2"))


def test_what_stops_the_job_then_errors_then_warnings_and_by_how_many() -> None:
    assert order(WARNING, ERROR, ONE, ALL) == ["all", "one", "wrong", "warned"]
    assert order(ERROR, replace(ERROR, code="more", affects=(*ERROR.affects, "pi4"))) == [
        "more", "wrong",
    ]  # fmt: skip


def test_one_cause_on_many_nodes_counts_as_all_it_affects() -> None:
    names = ("worker@mini2", "worker@mini3", "worker@pi4")
    many = [Problem("many", "error", "", name.partition("@")[2], (name,)) for name in names]
    assert order(ALL, *many) == ["many", "many", "many", "all"]


def test_a_member_of_an_elastic_job_is_not_needed() -> None:
    assert order(ERROR, ONE, ALL, elastic=True) == ["all", "wrong", "one"]


def test_a_network_that_the_job_uses_stops_it() -> None:
    world = World(FLEET)
    world.hosts["mini3"].forwarding = False
    hit = Problem("forwarding-off", "error", "", "mini3", ("pi4",))
    assert order(ERROR, hit) == ["wrong", "forwarding-off"]  # nobody is cut off by it
    assert order(ERROR, hit, world=world) == ["forwarding-off", "wrong"]


def test_a_node_that_only_this_machine_does_not_reach_works_on() -> None:
    lost = Problem("ssh-timeout", "error", "", "mini2", ("worker@mini2",))
    assert order(ERROR, lost) == ["wrong", "ssh-timeout"]
