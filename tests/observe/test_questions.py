"""What a node is asked of programs and code, by what runs there."""

from __future__ import annotations

from fleetctl.config import load_text
from fleetctl.model.expectations import derive
from fleetctl.model.questions import CodePlace, Depth, Questions
from fleetctl.observe.questions import questions

TEXT = """\
fleet: f
internet: null
nodes: {a: {workdir: ~/a}, b: {}, c: {workdir: ~/c}, d: {}}
jobs:
  plain:
    requires: [uv, python3>=3.11]
    services:
      one: {on: a, command: x, workdir: src}
      two: {on: b, command: x}
      three: {on: c, ready: {connect: "c:80"}}
  synced:
    sync: {}
    services: {one: {on: a, command: x, workdir: src}}
"""
FLEET = load_text(TEXT, "/x/nodes.yaml")


def asked(node: str, *jobs: str, depth: Depth = "check") -> Questions:
    of = [FLEET.jobs[job] for job in jobs or ("plain",)]
    return questions(FLEET, of, derive(FLEET, of[0]), FLEET.nodes[node], depth)


def test_programs_are_asked_where_something_of_the_job_is_started() -> None:
    assert (asked("a").programs, asked("a").versions) == (("python3", "uv"), True)
    assert asked("b").programs == ("python3", "uv")
    assert asked("c").programs == asked("d").programs == ()
    quick = asked("a", depth="status")
    assert (quick.programs, quick.versions) == (("uv", "python3"), False)
    assert asked("a", "synced").programs == ("python3",)  # it is compared
    assert asked("a", "synced", depth="status").programs == ()


def test_code_is_where_it_is_synced_else_where_it_runs() -> None:
    assert asked("a").codes == (CodePlace("plain", "~/a/src", synced=False),)
    assert asked("a", "synced").codes == (CodePlace("synced", "~/a", synced=True),)
    assert asked("b").codes == ()  # it runs in the home folder
    assert asked("c").codes == asked("d").codes == ()


def test_one_look_asks_for_several_jobs() -> None:
    both, plain, synced = asked("a", "plain", "synced"), asked("a"), asked("a", "synced")
    assert both.instances == (*plain.instances, *synced.instances)
    assert both.codes == (*plain.codes, *synced.codes)
    assert both.programs == plain.programs  # each program once
    assert (both.echoes, both.ways) == (plain.echoes, plain.ways)
