"""A fleet with jobs that have an instance of one name, watched by the looks that a test gives."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from fleetctl.config import load_text
from fleetctl.model.expectations import derive
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.look import Look
from fleetctl.model.topology import Node
from fleetctl.observe.attention import Wake
from fleetctl.observe.watch import Watch
from tests.health.facts import facts, pane, record

TEXT = """\
fleet: fleet
internet: null
nodes: {a: {}, b: {}, pad: {connection: none, ssh: {host: 10.9.9.9}}}
jobs:
  train:
    services:
      server: {on: a, command: x}
      worker: {on: b, command: x}
  eval:
    services:
      worker: {on: b, command: y}
  later:
    services:
      report: {on: a, command: no-such-program, workdir: ~/nowhere}
      app: {on: pad, ready: {connect: "10.9.9.9:8000"}}
"""
FLEET = load_text(TEXT, "nodes.yaml")
JOBS = tuple(FLEET.jobs.values())
TRAIN, EVAL, LATER = JOBS


def instance(job: Job, name: str) -> Instance:
    return next(one for one in job.instances if one.name == name)


SERVER = instance(TRAIN, "server@a")
TRAINS, EVALUATES = instance(TRAIN, "worker@b"), instance(EVAL, "worker@b")


def node(*ready: Instance, failed: tuple[Instance, ...] = ()) -> NodeFacts:
    """What a node says on which these run or have failed."""
    found = [part for one in ready for part in (pane(one), record(one, ready=True, age_s=99.0))]
    for one in failed:
        found += [pane(one, dead=True), record(one, phase="ended", exit_code=3)]
    return facts(*found)


class Nodes:
    """What the nodes say at the moment.

    :param said: by node.
    """

    def __init__(self, **said: NodeFacts) -> None:
        self.said = said
        self.app: bool | None = False
        """Whether the app that is started by hand answers; None: it is not asked."""

    def watch(self, jobs: tuple[Job, ...] = JOBS, interval_s: float = 0.01) -> Watch:
        async def attend(one: Node, wake: Wake) -> AsyncGenerator[Look, None]:
            if one.name in self.said:
                yield Look(facts=self.said[one.name], address="x")
            else:
                answers = {} if self.app is None else {("later", "app@pad"): self.app}
                yield Look(answers=answers)

        known = FLEET, derive(FLEET, jobs[0])
        return Watch(
            FLEET,
            jobs[0],
            lambda: known,
            attend,
            interval_s=interval_s,
            depth="status",
            beside=jobs[1:],
        )
