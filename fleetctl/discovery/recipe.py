"""The job of a recipe, written into a nodes.yaml for the nodes that are there.

A recipe is a nodes.yaml with one job and nodes of its own. Where its job names its first node, all
of its nodes, or all but the first, the nodes of the other file are put in; its data network is
theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from fleetctl.discovery.editor import Editor, get, key_of
from fleetctl.discovery.text import scalar
from fleetctl.errors import UsageError
from fleetctl.model.topology import Fleet

NETWORK = "fabric"
"""What a recipe calls the network by which the members of its job reach each other."""


def with_recipe(text: str, fleet: Fleet, recipe: str, recipe_fleet: Fleet, name: str) -> str:
    """``text`` with the job of a recipe, after its own.

    :param text: of the valid file that ``fleet`` was read from.
    :param recipe: the text that ``recipe_fleet`` was read from.
    :param name: of the job, and of the folder beside nodes.yaml that has its files.
    :raises UsageError: there is such a job, the nodes are too few or have no network that the job
        needs, or the file has a form into which nothing can be written.
    """
    if name in fleet.jobs:
        raise UsageError(f"nodes.yaml has a job {name} already")
    lines = _job(recipe, name, list(_replaced(recipe, name, recipe_fleet, fleet)))
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    jobs = get(root, "jobs")
    if jobs is None:
        return f"{text.rstrip()}\n\njobs:\n" + "".join(
            f"  {line}".rstrip() + "\n" for line in lines
        )
    editor = Editor(text)
    if isinstance(jobs, yaml.MappingNode) and not jobs.flow_style:
        editor.append(jobs, lines)
    else:
        raise UsageError(
            "nodes.yaml cannot be added to: its jobs are no mapping with a line for each",
            hint="docs/nodes-yaml.md shows the form.",
        )
    return editor.result()


def _job(recipe: str, name: str, replaced: list[tuple[int, int, str]]) -> list[str]:
    """The lines of the recipe's job, its name first, without indent.

    :param replaced: where a value begins and ends, and what is in its place.
    """
    jobs = get(yaml.compose(recipe, Loader=yaml.SafeLoader), "jobs")
    assert jobs is not None
    key = key_of(jobs, name)
    begin, indent = key.start_mark.index, key.start_mark.column
    new, done = "", begin
    for start, end, value in sorted(replaced):
        new += recipe[done:start] + value
        done = end
    lines = (new + recipe[done:]).rstrip().split("\n")
    return [lines[0], *(line[indent:] for line in lines[1:])]


def _replaced(
    recipe: str, name: str, recipe_fleet: Fleet, fleet: Fleet
) -> Iterator[tuple[int, int, str]]:
    """What of the job is another text in ``fleet``, as :func:`_job` takes it."""
    job = get(get(yaml.compose(recipe, Loader=yaml.SafeLoader), "jobs"), name)
    own, ours = _members(recipe_fleet), _members(fleet)
    if len(ours) < 2:
        raise UsageError(
            f"the recipe {name} needs two nodes that are reached by SSH or more, and there "
            f"{'is one' if ours else 'is none'}",
            hint="fleetctl init --merge HOST... adds nodes.",
        )
    source = get(get(job, "sync"), "from")
    if source is not None:
        yield source.start_mark.index, source.end_mark.index, scalar(name)
    if (network := get(job, "network")) is not None:
        yield network.start_mark.index, network.end_mark.index, scalar(_network(fleet, ours, name))
    services = get(job, "services")
    assert isinstance(services, yaml.MappingNode)
    for _, service in services.value:
        place = get(service, "on")
        assert place is not None
        yield place.start_mark.index, place.end_mark.index, _nodes(place, own, ours)
        listen = get(service, "listen")
        if isinstance(listen, yaml.ScalarNode):
            start = listen.start_mark.index
            yield start, start + len(NETWORK), scalar(_network(fleet, ours, name))


def _members(fleet: Fleet) -> list[str]:
    return [node.name for node in fleet.nodes.values() if node.connection == "ssh"]


def _nodes(written: yaml.Node, own: list[str], ours: list[str]) -> str:
    if isinstance(written, yaml.ScalarNode):
        return scalar(ours[0])
    named = [one.value for one in written.value]
    return f"[{', '.join(scalar(one) for one in ours[len(own) - len(named) :])}]"


def _network(fleet: Fleet, nodes: list[str], name: str) -> str:
    """The network that the first node is on and that the others have a way to; one for data, if
    there is one.

    :raises UsageError: there is none.
    """
    first = fleet.nodes[nodes[0]]
    ways = [
        network
        for network in fleet.networks.values()
        if network.name in first.addresses
        and all(fleet.way_out(fleet.nodes[node], network.name) for node in nodes)
    ]
    if not ways:
        raise UsageError(
            f"the recipe {name} needs a network that {nodes[0]} is on, with an address, and that "
            f"{', '.join(nodes[1:])} have a way to",
            hint="docs/nodes-yaml.md: addresses, and via.",
        )
    return next((n.name for n in ways if not n.control), ways[0].name)
