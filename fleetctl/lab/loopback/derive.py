"""From a user's nodes.yaml to one for the loopback: text to text. Pure.

Names, services, their order and their commands stay. Networks, gateways and operating systems are
left out; every address becomes 127.0.0.1, every ``listen`` gets a port of its own. The YAML is
changed as a tree of nodes, so that every scalar is written back as it was read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import yaml
from msgspec import Struct

from fleetctl.model.topology import Fleet

HOST = "127.0.0.1"

CANNOT_SHOW = (
    "On the loopback there are no networks: no routes, gateways, forwarding or cables, and no "
    "Mac's commands. Nodes that stop answering, killed workers, logs, attach, restarts are real."
)


class Door(Struct, frozen=True):
    """How one node is logged in to."""

    port: int
    user: str
    identity_file: str
    known_hosts: str


class Derived(Struct, frozen=True):
    """The result of :func:`derive`."""

    text: str
    """The new nodes.yaml."""
    notes: tuple[str, ...]
    """What was left out, one sentence each."""


def derive(
    text: str,
    fleet: Fleet,
    doors: Mapping[str, Door],
    free_port: Callable[[], int],
    env: Mapping[str, str],
) -> Derived:
    """The nodes.yaml of the fleet on the loopback.

    :param text: the valid original, which ``fleet`` was read from.
    :param doors: for every node with ``connection: ssh``.
    :param free_port: returns another free port of the loopback at each call.
    :param env: variables with the original address and port of some service; set for all services
        of its job that do not set them themselves.
    """
    nodes = {node.name: _node(fleet, node.name, doors) for node in fleet.nodes.values()}
    head = {"fleet": fleet.name, "internet": None, "nodes": nodes}
    lines = yaml.safe_dump(head, sort_keys=False, default_flow_style=None, width=1000)
    jobs = _jobs_of(text)
    if jobs is None:
        return Derived(lines, ())
    mover = _Mover(fleet, free_port)
    mover.move(jobs, env)
    whole = yaml.MappingNode(_MAP, [(yaml.ScalarNode(_STR, "jobs"), jobs)], flow_style=False)
    lines += yaml.serialize(whole, Dumper=yaml.SafeDumper, width=1000)
    return Derived(lines, tuple(mover.notes))


_MAP = "tag:yaml.org,2002:map"
_STR = "tag:yaml.org,2002:str"


def _node(fleet: Fleet, name: str, doors: Mapping[str, Door]) -> dict[str, object]:
    node = fleet.nodes[name]
    about: dict[str, object] = {}
    if node.connection != "ssh":
        about["connection"] = node.connection
    if node.connection != "local":
        about["ssh"] = {"host": HOST}
    if door := doors.get(name):
        about["ssh"] = {
            "host": HOST,
            "port": door.port,
            "user": door.user,
            "identity_file": door.identity_file,
            "known_hosts": door.known_hosts,
            "connect_timeout": node.ssh.connect_timeout_s,
        }
    if node.workdir is not None:
        about["workdir"] = node.workdir
    return about


def _jobs_of(text: str) -> yaml.MappingNode | None:
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    jobs = _get(tree, "jobs") if isinstance(tree, yaml.MappingNode) else None
    return jobs if isinstance(jobs, yaml.MappingNode) else None


class _Mover:
    """Moves the services of all jobs to the loopback."""

    def __init__(self, fleet: Fleet, free_port: Callable[[], int]) -> None:
        self._fleet = fleet
        self._free_port = free_port
        self._seen: dict[int, str] = {}
        """New text by identity of the YAML node, which anchors may share."""
        self.moved: dict[str, str] = {}
        self.notes: list[str] = []

    def move(self, jobs: yaml.MappingNode, env: Mapping[str, str]) -> None:
        for job_name, job in _items(jobs):
            _remove(job, "network")
            for name, entry in _items(_get(job, "services")):
                _remove(entry, "network", "peers")
                self._listen(job_name, name, entry)
        for job_name, job in _items(jobs):
            instances = self._fleet.jobs[job_name].instances
            doors = [str(listen) for i in instances for listen in i.listens]
            meant = {k: v for k, v in env.items() if any(door in v for door in doors)}
            names = [name for name, _ in _items(_get(job, "services"))]
            for name, entry in _items(_get(job, "services")):
                self._watched(job_name, name, entry)
                _add_env(entry, meant)
                self._texts(entry, names)

    def _listen(self, job: str, name: str, entry: yaml.Node) -> None:
        """Give the service a port, and one node only: all nodes have the same 127.0.0.1."""
        listen = _get(entry, "listen")
        if not isinstance(listen, yaml.ScalarNode | yaml.SequenceNode):
            return
        if id(listen) not in self._seen:
            self._seen[id(listen)] = f"{HOST}:{self._free_port()}"
        moved = self._seen[id(listen)]
        if isinstance(listen, yaml.ScalarNode):
            listen.value = moved
        else:
            _set(entry, "listen", yaml.ScalarNode(_STR, moved))
        instances = self._fleet.jobs[job].services[name].instances
        for one in instances[0].listens:
            self.moved.setdefault(str(one), moved)
        if len(instances) > 1:
            _set(entry, "on", yaml.ScalarNode(_STR, instances[0].node))
            others = ", ".join(i.node for i in instances[1:])
            self.notes.append(
                f"{name} listens on a port, and the loopback has one address for all nodes: "
                f"it runs on {instances[0].node} only, not on {others}"
            )

    def _watched(self, job: str, name: str, entry: yaml.Node) -> None:
        """For a service that is started by hand: replace the port of `ready` by an unused one, so
        that no other service of this machine is asked. That of its `listen` is one already."""
        if self._fleet.jobs[job].services[name].instances[0].command is None:
            ready = _get(entry, "ready")
            for kind in ("connect", "http"):
                written = _get(ready, kind)
                if isinstance(written, yaml.ScalarNode) and f"{{{name}.port}}" not in written.value:
                    scheme = "http://" if kind == "http" else ""
                    written.value = f"{scheme}{HOST}:{self._free_port()}"

    def _texts(self, entry: yaml.Node, services: list[str]) -> None:
        for key, node in _items(entry):
            if key in ("command", "env", "ready", "liveness", "workdir"):
                for scalar in _scalars(node):
                    scalar.value = self._text(scalar.value, services)

    def _text(self, text: str, services: list[str]) -> str:
        hosts = "|".join(re.escape(name) for name in services)
        text = re.sub(rf"(?<![${{])\{{(?:address\.[\w.-]+|(?:{hosts})\.host)\}}(?!\}})", HOST, text)
        for old, new in self.moved.items():
            text = _replace(text, old, new)
        for node in self._fleet.nodes.values():
            for address in node.addresses.values():
                text = _replace(text, str(address), HOST)
        return text


def _add_env(entry: yaml.Node, env: Mapping[str, str]) -> None:
    own = _get(entry, "env")
    given = {name for name, _ in _items(own)}
    new = [
        (yaml.ScalarNode(_STR, name), yaml.ScalarNode(_STR, value, style='"'))
        for name, value in env.items()
        if name not in given
    ]
    if new:
        kept = own.value if isinstance(own, yaml.MappingNode) else []
        _set(entry, "env", yaml.MappingNode(_MAP, [*kept, *new]))


def _replace(text: str, old: str, new: str) -> str:
    """Replace an address, unless it is part of a longer one."""
    return re.sub(rf"(?<![\d.]){re.escape(old)}(?!\.?\d)", new, text)


def _items(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key.value, value


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    return next((value for name, value in _items(node) if name == key), None)


def _remove(node: yaml.Node, *keys: str) -> None:
    """Leave out what only a network gives a meaning."""
    if isinstance(node, yaml.MappingNode):
        node.value = [(k, v) for k, v in node.value if k.value not in keys]


def _set(node: yaml.Node, key: str, new: yaml.Node) -> None:
    others = [(k, v) for k, v in node.value if k.value != key]
    node.value = [*others, (yaml.ScalarNode(_STR, key), new)]


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from _scalars(value)
