"""The jobs of recipes for other fleets: the nodes that are there, their network, their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.cli.recipes import NAMES
from fleetctl.config import load_text
from fleetctl.discovery.recipe import with_recipe
from fleetctl.errors import UsageError

EXAMPLES = Path(__file__).parents[2] / "examples"
NODES = """\
fleet: mine
networks:
  air: {cidr: 192.168.7.0/24, kind: wifi, control: true}
  wire: {cidr: 10.7.0.0/24}
internet: null
nodes:
  one: {addresses: {air: 192.168.7.1, wire: 10.7.0.1}}
  two: {addresses: {air: 192.168.7.2, wire: 10.7.0.2}}
  three: {addresses: {air: 192.168.7.3, wire: 10.7.0.3}}
  laptop: {connection: local}
  phone: {connection: none, addresses: {air: 192.168.7.9}}
"""
ALL, OTHERS = ["one", "two", "three"], ["two", "three"]
PLACES = {
    "dask": {"scheduler": ["one"], "worker": OTHERS},
    "llama-rpc": {"rpc": OTHERS, "server": ["one"]},
    "mlx": {"ring": ALL},
    "mpi": {"ring": ["one"], "others": OTHERS},
    "ray": {"head": ["one"], "worker": OTHERS},
    "torchrun": {"train": ALL},
}


def added(text: str, name: str) -> str:
    recipe = (EXAMPLES / name / "nodes.yaml").read_text("utf-8")
    return with_recipe(text, load_text(text, "f"), recipe, load_text(recipe, "r"), name)


@pytest.mark.parametrize("name", NAMES)
def test_its_job_is_for_the_nodes_that_are_there(name: str) -> None:
    new = added(NODES, name)
    assert new.startswith(NODES)
    for word in ("mini", "fabric", "{from: .}"):
        assert word not in new.removeprefix(NODES)
    job = load_text(new, "new").jobs[name]
    found: dict[str, list[str]] = {}
    for instance in job.instances:
        found.setdefault(instance.service, []).append(instance.node)
        if instance.listen:
            assert str(instance.listen.address) == "10.7.0.1"
    assert found == PLACES[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_how_it_is_run_and_has_what_it_runs(name: str) -> None:
    readme = (EXAMPLES / name / "README.md").read_text("utf-8")
    assert f"fleetctl init --recipe {name} " in readme
    fleet = load_text((EXAMPLES / name / "nodes.yaml").read_text("utf-8"), "r")
    commands = " ".join(i.command or "" for i in fleet.jobs[name].instances)
    for program in (EXAMPLES / name).glob("*.py"):
        assert program.name in f"{commands} {readme}"


JOB = 'old: {services: {s: {on: one, command: "true"}}}'


@pytest.mark.parametrize(
    ("jobs", "before", "after"),
    [
        ("", "\njobs:\n  torchrun:\n", "ready: {log: 'all-reduce'}\n"),
        (f"jobs:  # mine\n    {JOB}\n# end\n", f"jobs:  # mine\n    {JOB}\n", "# end\n"),
        (f"\njobs:\n  {JOB}", f"\njobs:\n  {JOB}\n", ""),
    ],
)
def test_it_comes_after_the_jobs_that_are_there(jobs: str, before: str, after: str) -> None:
    new = added(NODES + jobs, "torchrun")
    assert new.startswith(NODES + before) and new.endswith(after)
    assert list(load_text(new, "new").jobs)[-1] == "torchrun"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  phone", "  # phone", ""),
        ("internet: null", f"internet: null\njobs: {{{JOB}}}", "its jobs are no mapping"),
        ("internet: null", f"internet: null\njobs:\n  {JOB.replace('old', 'dask')}", "job dask al"),
        ("  three: {addresses: {air: 192.168.7.3, wire: 10.7.0.3}}", "  three:", "have a way to"),
        ("  two:", "  # two:", ""),
    ],
)
def test_what_does_not_fit_is_refused(old: str, new: str, said: str) -> None:
    text = NODES.replace(old, new)
    if not said:
        assert "dask" in load_text(added(text, "dask"), "new").jobs
        return
    with pytest.raises(UsageError, match=said):
        added(text, "dask")


def test_one_node_is_too_few() -> None:
    alone = NODES.replace("  two:", "  # two:").replace("  three:", "  # three:")
    with pytest.raises(UsageError, match="two nodes that are reached by SSH or more, and there is"):
        added(alone, "ray")


def test_where_all_are_only_on_wifi_it_is_that() -> None:
    text = NODES.replace(", wire: 10.7.0.2", "").replace(", wire: 10.7.0.3", "")
    scheduler = load_text(added(text, "dask"), "new").jobs["dask"].instances[0]
    assert scheduler.listen and str(scheduler.listen.address) == "192.168.7.1"
