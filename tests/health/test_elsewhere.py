"""A node that is `local` for the laptop, seen from another machine which serves the fleet."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.alerts.causes import Past, causes
from fleetctl.config import load_text
from fleetctl.errors import ConnectTimedOut
from fleetctl.health.connection_problems import all_lost
from fleetctl.link.here import seen_from
from fleetctl.model.topology import Fleet
from fleetctl.serve.newest import _Told
from tests.health.world import World

LAPTOP = """
fleet: home
networks: {wifi: {cidr: 192.168.1.0/24, control: true}, fabric: {cidr: 10.10.0.0/24}}
nodes:
  mini1: {addresses: {wifi: 192.168.1.11, fabric: 10.10.0.1}}
  mini2: {addresses: {wifi: 192.168.1.12, fabric: 10.10.0.2}}
  macbook: {connection: local, addresses: {wifi: 192.168.1.10}}
jobs: {train: {services: {worker: {on: [mini1, macbook], command: ./train}}}}
"""
MINI3 = "  mini3: {addresses: {wifi: 192.168.1.13, fabric: 10.10.0.3}}\njobs:"


def from_mini1(fleet: Fleet) -> Fleet:
    own = set(map(str, fleet.nodes["mini1"].addresses.values()))
    return seen_from(fleet, lambda address: str(address) in own, None)


def test_it_is_unknown_where_it_does_not_answer_and_nobody_is_alerted() -> None:
    fleet = from_mini1(load_text(LAPTOP, "nodes.yaml"))
    world = World(fleet, job=fleet.jobs["train"])
    world.hosts["macbook"].powered = False
    checked = world.check()
    status = checked.status
    node = status.nodes["macbook"]
    assert (node.state, node.ssh.reachable) == ("unknown", None)
    why = "nodes.yaml does not say how it is reached from here (no ssh): no answer"
    assert node.ssh.error == why
    worker = status.services["worker@macbook"]
    assert (worker.state, worker.reason) == ("unknown", why)
    assert [p.summary for p in status.problems if "macbook" in (p.node, *p.affects)] == []
    assert status.healthy
    past = Past(status.generated_at, status.generated_at, {"train/worker@macbook"})
    assert list(causes(replace(status, job="train"), fleet, past)) == []
    assert _Told(status, {}).lost == {"macbook"}, "an old look at it holds up no answer of serve"


def test_others_that_do_not_reach_it_are_no_problem_either() -> None:
    """It sleeps, or is away: its address does not answer."""
    fleet = from_mini1(load_text(LAPTOP, "nodes.yaml"))
    world = World(fleet)
    world.hosts["macbook"].powered = False
    rows = [r for r in world.check().status.nodes["mini2"].reachability if r.node == "macbook"]
    assert rows
    assert {(row.ok, row.observed) for row in rows} == {(None, None)}


def test_where_all_others_are_lost_this_machine_is_cut_off_whatever_of_it() -> None:
    fleet = from_mini1(load_text(LAPTOP.replace("jobs:", MINI3), "nodes.yaml"))
    lost = {name: ConnectTimedOut(name, "no answer") for name in ("mini2", "mini3")}
    problem = all_lost(fleet, lost, {}, ())
    assert problem
    assert problem.affects == ("mini2", "mini3")


def test_where_it_answers_it_is_a_node_as_others() -> None:
    fleet = from_mini1(load_text(LAPTOP, "nodes.yaml"))
    assert fleet.nodes["macbook"].elsewhere
    assert World(fleet).check().status.nodes["macbook"].state == "ok"


def test_with_ssh_in_the_file_it_is_lost_where_it_does_not_answer() -> None:
    text = LAPTOP.replace("{connection: local,", "{connection: local, ssh: {user: me},")
    fleet = from_mini1(load_text(text, "nodes.yaml"))
    assert not fleet.nodes["macbook"].elsewhere
    world = World(fleet)
    world.hosts["macbook"].powered = False
    assert world.check().status.nodes["macbook"].state == "unreachable"
