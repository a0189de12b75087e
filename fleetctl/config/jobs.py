"""Reads the jobs of nodes.yaml: an instance for each service and node, placeholders filled in."""

from __future__ import annotations

import posixpath
from ipaddress import IPv4Address

from msgspec import structs

from fleetctl.config.groups import Groups
from fleetctl.config.listen import check_listed, check_ports, read_listen, read_listens
from fleetctl.config.liveness import read_liveness
from fleetctl.config.member_failure import NEEDS, read_group_rule
from fleetctl.config.nodes import check_env, read_workdir, texts
from fleetctl.config.on_boot import with_boot
from fleetctl.config.order import check_order
from fleetctl.config.peers import peers_of
from fleetctl.config.placeholders import ANY_NODE, OF_NODE
from fleetctl.config.progress import read_progress
from fleetctl.config.ready import FROM_OUTSIDE, read_ready, written_kinds
from fleetctl.config.references import known_names, read_after, read_until
from fleetctl.config.report import Report, TreePath, choices
from fleetctl.config.requires import read_requires
from fleetctl.config.restart import policy, read_restart, read_stop
from fleetctl.config.scope import Scope, ServicePlace
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.jobs import JobEntry
from fleetctl.config.shape.services import ReadyEntry, ServiceEntry
from fleetctl.config.sync import Locate, read_prepare, read_sync
from fleetctl.model.jobs import GroupRule, Instance, Job, Listen, Service
from fleetctl.model.liveness import Liveness
from fleetctl.model.topology import SSH, Fleet, Node


def read_job(name: str, entry: JobEntry, fleet: Fleet, locate: Locate, report: Report) -> Job:
    """One job; mistakes go into ``report``.

    :param fleet: the networks and nodes; its ``jobs`` are not used.
    :param locate: resolves the path of an ``env_file``.
    """
    path: TreePath = ("jobs", name, "services")
    if not entry.services and not report.wrong(*path):
        report.mistake(path, f"job {name!r} has no services; give it one or remove it")
    if OF_NODE in entry.services:
        what = f"the service name {OF_NODE!r} is reserved for {{{OF_NODE}.NETWORK}}"
        report.mistake((*path, OF_NODE), what, key=True)
    reader = _JobReader(name, entry, fleet, locate, report)
    services = {service: reader.service(service) for service in entry.services}
    reader.warn_of_control()
    check_order(path, {n: s.after for n, s in services.items()}, report)
    job = Job(name, services, elastic=given(entry.elastic, False))
    check_ports(job.instances, report)
    group = read_group_rule(job, entry, fleet, report)
    requires = read_requires(name, entry, report)
    return structs.replace(
        with_boot(_grouped(job, group) if group else job, entry.services, fleet, report),
        sync=read_sync(job, entry.sync, fleet, locate, report),
        prepare=read_prepare(job, entry, fleet, report),
        requires=tuple(dict.fromkeys((*requires, NEEDS))) if group else requires,
    )


def _grouped(job: Job, group: GroupRule) -> Job:
    return structs.replace(
        job,
        services={
            name: structs.replace(
                service,
                instances=tuple(structs.replace(i, group=group) for i in service.instances),
            )
            for name, service in job.services.items()
        },
    )


class _JobReader:
    def __init__(
        self, job: str, entry: JobEntry, fleet: Fleet, locate: Locate, report: Report
    ) -> None:
        self._job = job
        self._entries = entry.services
        self._elastic = given(entry.elastic, False)
        self._fleet = fleet
        self._locate = locate
        self._report = report
        everywhere = dict.fromkeys(fleet.networks, IPv4Address(0))
        self._any_node = Node(ANY_NODE, SSH(ANY_NODE), addresses=everywhere)
        self._nodes = {name: self._on(name, entry) for name, entry in self._entries.items()}
        self._groups = Groups(job, entry, fleet, self._nodes, report)
        self._listens = {
            name: {node.name: self._listening(name, node) for node in nodes}
            for name, nodes in self._nodes.items()
        }
        self._ports = {
            name: {node.name: self._read_ports(name, node) for node in nodes}
            for name, nodes in self._nodes.items()
        }
        self._places = {name: self._place(name) for name in self._entries}
        self._over_control: dict[tuple[str, str, str], dict[str, None]] = {}

    def _path(self, service: str, *rest: str | int) -> TreePath:
        return ("jobs", self._job, "services", service, *rest)

    def _on(self, service: str, entry: ServiceEntry) -> tuple[Node, ...]:
        """The nodes that exist, each once; if there is none, a stand-in, so that the rest of the
        service is checked."""
        path = self._path(service, "on")
        if not entry.on and not self._report.wrong(*path) and not self._incomplete(service):
            self._report.mistake(path, f"on of service {service!r} names no node")
        known = known_names(path, entry.on, "node", self._fleet.nodes, self._report)
        return tuple(self._fleet.nodes[name] for name in known) or (self._any_node,)

    def _incomplete(self, service: str) -> bool:
        return self._report.incomplete(self._path(service), ServiceEntry.__struct_fields__)

    def _listening(self, service: str, node: Node) -> tuple[Listen, ...]:
        written = given(self._entries[service].listen, None)
        if written is None:
            return ()
        path = self._path(service, "listen")
        return read_listens(written, node, self._fleet, path, self._report)

    def _read_ports(self, service: str, node: Node) -> dict[str, Listen]:
        """Those besides ``listen``, without those that are wrong."""
        written = self._entries[service].ports or {}
        path = self._path(service, "ports")
        main = next(iter(self._listens[service][node.name]), None)
        lacks = given(self._entries[service].listen, None) is None
        if written and lacks and not self._report.wrong(*self._path(service, "listen")):
            what = "ports needs a listen beside it, such as 'listen: fabric:65432'"
            self._report.mistake(path, what, key=True)
        found: dict[str, Listen] = {}
        for name, port in written.items():
            if isinstance(port, int):
                if main:
                    found[name] = structs.replace(main, port=port)
            elif port and (
                listen := read_listen(
                    port, node, self._fleet, (*path, name), self._report, f"ports.{name}"
                )
            ):
                found[name] = listen
        return found

    def _place(self, service: str) -> ServicePlace | None:
        names = tuple(node.name for node in self._nodes[service])
        network = self._groups.network(service)
        path, written = self._path(service, "listen"), given(self._entries[service].listen, None)
        check_listed(written or "", self._nodes[service], self._fleet, path, self._report)
        lacks = not self._listens[service][names[0]]
        if names == (ANY_NODE,) or (lacks and (written is not None or self._report.wrong(*path))):
            return None
        ports = self._ports[service][names[0]]
        return ServicePlace(names, self._listens[service], network, ports)

    def warn_of_control(self) -> None:
        """Warn of what is reached over a control network though the fleet has others."""
        for (service, needed, network), nodes in self._over_control.items():
            self._report.warning(
                self._path(service),
                f"service {service!r} on {choices(nodes)} reaches {needed!r} over the control "
                f"network {network!r}: there is no other to which both have a way",
            )

    def service(self, name: str) -> Service:
        entry = self._entries[name]
        after = read_after(entry, self._entries, self._path(name, "after"), self._report)
        check_env(entry.env, self._path(name, "env"), self._report)
        instances = [
            self._instance(name, entry, after, node, rank)
            for rank, node in enumerate(self._nodes[name], start=1)
        ]
        return Service(after, tuple(i for i in instances if i.node != ANY_NODE))

    def _instance(
        self, name: str, entry: ServiceEntry, after: tuple[str, ...], node: Node, rank: int
    ) -> Instance:
        self._check_command(name, entry, node)
        self._check_once(name, entry)
        scope = Scope(
            self._fleet,
            node,
            self._report,
            self._places,
            name,
            after,
            rank,
            len(self._nodes[name]),
            over_control=self._over_control,
        )
        instance = self._filled(name, entry, after, scope)
        if self._elastic:
            unranked = self._filled(name, entry, after, self._unranked(scope))
            instance = structs.replace(instance, unranked=unranked)
        return instance

    def _unranked(self, scope: Scope) -> Scope:
        return structs.replace(scope, rank=0, world_size=0, interfaces={}, files={})

    def _filled(
        self, name: str, entry: ServiceEntry, after: tuple[str, ...], scope: Scope
    ) -> Instance:
        report, node = self._report, scope.node

        def fill(text: str, *path: str) -> str:
            return scope.fill(text, self._path(name, *path))

        command = given(entry.command, None)
        return Instance(
            job=self._job,
            service=name,
            node=node.name,
            rank=scope.rank,
            world_size=scope.world_size,
            command=None if command is None else fill(command, "command"),
            workdir=self._workdir(name, entry, node, scope),
            listen=next(iter(self._listens[name][node.name]), None),
            other_listens=self._listens[name][node.name][1:],
            endpoints=self._endpoints(after, scope),
            peers=self._peers(name, node),
            ports=self._ports[name][node.name],
            bind_any=given(entry.bind, None) == "any",
            web=self._web(name, entry, node),
            ready=read_ready(
                entry.ready,
                given(entry.listen, None) is not None,
                scope,
                self._path(name, "ready"),
                report,
            ),
            liveness=self._liveness(name, entry, scope),
            progress=read_progress(entry.progress, self._path(name, "progress"), report),
            after=after,
            env={key: fill(value, "env", key) for key, value in texts(entry.env).items()},
            env_file=self._env_file(name, entry),
            provided={**self._groups.environment(scope), **self._node_env(scope)},
            restart=read_restart(entry, self._path(name, "restart"), report),
            stop=read_stop(entry),
            until=read_until(entry, self._entries),
            once=given(entry.once, False),
            interfaces=scope.interfaces,  # filled by all of the above
            files=scope.files,
        )

    def _endpoints(self, after: tuple[str, ...], scope: Scope) -> dict[str, Listen]:
        """Where an instance reaches those that it starts after, if not at their first listen."""
        found = {}
        for service in after:
            place = self._places[service]
            for node in place.nodes if place else ():
                listen = scope.endpoint(service, node)
                if listen and listen != self._listens[service][node][0]:
                    found[f"{service}@{node}"] = listen
        return found

    def _peers(self, service: str, node: Node) -> dict[str, IPv4Address]:
        """Those whose way is waited for: none in an elastic job, where anyone may be away."""
        if self._elastic:
            return {}
        return peers_of(self._fleet, self._entries[service], self._nodes[service], node)

    def _web(self, name: str, entry: ServiceEntry, node: Node) -> tuple[int, ...]:
        written = given(entry.web, [])
        ports = written if isinstance(written, list) else [written]
        if ports and node.connection == "none":
            what = (
                f"no tunnel leads to a web page on {node.name!r}, which has connection none; "
                "remove the web, and open its page at its own address"
            )
            self._report.mistake(self._path(name, "web"), what, key=True)
        for index, port in enumerate(ports):
            if port in ports[:index]:
                path = self._path(name, "web", index)
                self._report.mistake(path, f"port {port} is listed twice in web")
        return tuple(dict.fromkeys(ports))

    def _node_env(self, scope: Scope) -> dict[str, str]:
        """The variables that nodes.yaml gives every instance on the node."""
        filled = {}
        for key, value in scope.node.env.items():
            path: TreePath = ("nodes", scope.node.name, "env", key)
            if not self._report.has(*path):
                path = ("defaults", "env", key)
            filled[key] = scope.fill(value, path)
        return filled

    def _liveness(self, name: str, entry: ServiceEntry, scope: Scope) -> Liveness | None:
        path = self._path(name, "liveness")
        lacks_command = (
            given(entry.command, None) is None
            and not self._incomplete(name)
            and not self._report.wrong(*self._path(name, "command"))
        )
        if entry.liveness and lacks_command:
            what = (
                f"service {name!r} has no command, and liveness is asked beside one that fleetctl "
                "started; remove the liveness: its ready is asked each time"
            )
            self._report.mistake(path, what, key=True)
        return read_liveness(entry.liveness, scope, path, self._report)

    def _check_command(self, name: str, entry: ServiceEntry, node: Node) -> None:
        if given(entry.command, None) is not None:
            if node.connection == "none":
                what = (
                    f"service {name!r} has a command, but {node.name!r} has connection none: "
                    "nothing can be started there; remove the command, or the node from on"
                )
                self._report.mistake(self._path(name, "command"), what)
            return
        if self._incomplete(name) or self._report.wrong(*self._path(name, "command")):
            return
        if self._watched_from_outside(name, entry):
            return
        what = (
            f"service {name!r} has no command, so it is started by hand and only watched on "
            f"{node.name!r}: that needs a ready with connect or http"
        )
        if node.connection != "none":
            what = (
                f"service {name!r} lacks a command; one that is started by hand needs a ready "
                "with connect or http"
            )
        self._report.mistake(self._path(name), what, key=True)

    def _check_once(self, name: str, entry: ServiceEntry) -> None:
        if not given(entry.once, False):
            return
        if policy(entry) == "always":
            why = f"service {name!r} runs once, so restart may be on-failure or never, not always"
        elif given(entry.command, None) is None and not self._incomplete(name):
            why = f"service {name!r} has no command, so nobody sees it end: remove once"
        else:
            return
        self._report.mistake(self._path(name, "once"), why)

    def _watched_from_outside(self, name: str, entry: ServiceEntry) -> bool:
        """Whether the controller can ask its ``ready``, or could, but for a mistake in it."""
        path = self._path(name, "ready")
        kinds = written_kinds(entry.ready, path, self._report)
        return not FROM_OUTSIDE.isdisjoint(kinds) or self._report.incomplete(
            path, ReadyEntry.__struct_fields__
        )

    def _workdir(self, name: str, entry: ServiceEntry, node: Node, scope: Scope) -> str | None:
        base = node.workdir
        written = given(entry.workdir, None)
        if written is None:
            return base
        path = self._path(name, "workdir")
        own = read_workdir(scope.fill_now(written, path), path, self._report) or "~"
        return own if base is None or own.startswith(("~", "/")) else posixpath.join(base, own)

    def _env_file(self, name: str, entry: ServiceEntry) -> str | None:
        written = given(entry.env_file, None)
        if written is None:
            return None
        try:
            return self._locate(written)
        except (RuntimeError, OSError) as error:  # no home folder; no working directory
            self._report.mistake(self._path(name, "env_file"), f"env_file {written!r}: {error}")
            return None
