"""The stand-in for an app on a node that cannot be logged into."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fleetctl import config
from fleetctl.errors import LabError
from fleetctl.lab import app, shipped
from fleetctl.lab.loopback import LoopbackLab
from fleetctl.lab.tour import Tour, scenarios
from fleetctl.model.topology import Fleet
from tests.conftest import MakeLab
from tests.lab.fleets import PAIR
from tests.lab.observe import eventually

SHIPPED = config.load(shipped.nodes_yaml())
FLEET = """\
fleet: pair
networks:
  lan: {cidr: 172.20.0.0/24}
internet: null
nodes:
  a: {ssh: {host: 172.20.0.1}, addresses: {lan: 172.20.0.1}}
  pad: {connection: none, addresses: {lan: 172.20.0.3}}
jobs:
  split:
    services:
      middle:
        on: pad
        listen: lan:8000
        ready: {http: "http://{middle.host}:{middle.port}/health"}
      first:
        on: a
        after: [middle]
        command: python3 pipeline.py rank a --then pad={middle.host}:{middle.port}
"""


def test_it_plays_what_has_no_command_in_a_job_of_the_pipeline() -> None:
    assert [i.name for i in app.played(SHIPPED)] == ["rank1@ipad"]
    assert [i.name for i in app.played(SHIPPED, SHIPPED.jobs["edp"])] == []
    other = config.load_text(FLEET.replace("pipeline.py", "other.py"), "nodes.yaml")
    assert list(app.played(other)) == []


def test_the_tour_of_the_pipeline_begins_with_its_app() -> None:
    found = scenarios(SHIPPED, SHIPPED.jobs["ipad-inference"], lambda _kind, _node: [])
    assert [s.id for s in found][:2] == ["app-off@ipad", "kill@rank0@mini1"]


def test_a_port_that_ready_takes_from_listen_is_moved_with_it(tmp_path: Path) -> None:
    """On the loopback; where the app is, and where it is looked for, stay the same place."""
    path = tmp_path / "nodes.yaml"
    path.write_text(FLEET)
    lab = LoopbackLab.up(config.load(path), path, name=f"app-{os.getpid()}")
    try:
        _switch_on_and_off(lab)
        fleet = config.load(lab.config_path)
        [middle, first] = fleet.jobs["split"].instances
        assert middle.ready is not None
        assert middle.ready.value == f"http://{middle.listen}/health"
        assert (first.command or "").endswith(f"--then pad={middle.listen}")
        app.start(lab, fleet, "pad")
    finally:
        lab.down()
    assert not _answers(str(middle.listen))


def _switch_on_and_off(lab: LoopbackLab) -> None:
    fleet = config.load(lab.config_path)
    where = app.start(lab, fleet, "pad")
    assert _answers(where)
    with pytest.raises(LabError, match=f"the app on pad runs already, at {where}"):
        app.start(lab, fleet, "pad")
    tour = Tour(lab, fleet, fleet.jobs["split"])
    request = {"scenario": "app-off@pad"}
    tour.answer({"do": "fault", **request})
    assert not _answers(where)
    with pytest.raises(LabError, match="no app runs on pad"):
        tour.answer({"do": "fault", **request})
    assert tour.answer({"do": "heal", **request})["said"].endswith(f"listens at {where}.")
    assert _answers(where)
    assert app.stop(lab, "pad")
    assert not app.stop(lab, "pad")
    host, port = where.split(":")
    with socket.create_server((host, int(port))), pytest.raises(LabError, match="in use"):
        app.start(lab, fleet, "pad")


def _answers(where: str) -> bool:
    host, port = where.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def test_a_node_without_an_app_is_refused() -> None:
    fleet: Fleet = config.load_text(PAIR, "nodes.yaml")
    with pytest.raises(LabError, match=r"nodes\.yaml has no app on 'b'"):
        app.start(LoopbackLab("none"), fleet, "b")


@pytest.mark.lab
@pytest.mark.long  # the tests of the demo start it so, too
def test_on_its_own_machine_by_the_command(make_lab: MakeLab) -> None:
    lab = make_lab(FLEET)

    def fleetctl(*words: str) -> str:
        argv = [sys.executable, "-m", "fleetctl", "lab", "app", "--name", lab.name, *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        return done.stderr

    def health() -> str:
        argv = ["curl", "-s", "--max-time", "5", "http://172.20.0.3:8000/health"]
        return lab.run("a", argv).stdout.decode()

    assert fleetctl("pad", "start") == "the app on pad listens at 172.20.0.3:8000\n"
    assert '"blocks": [4, 7]' in health()
    assert fleetctl("pad", "stop") == "the app on pad has ended\n"
    assert health() == ""
    assert fleetctl("pad", "stop") == "No app runs on pad.\n"
    fleetctl("pad", "start")
    lab.fault("power-off", "pad")
    lab.heal("power-off", "pad")
    assert health() == ""
    assert "listens at" in fleetctl("pad", "start")
    eventually(lambda: "blocks" in health(), "it answers again")
