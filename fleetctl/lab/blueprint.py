"""What a lab consists of: networks, machines, their ports and routes. Pure.

Addresses and networks are text, because a :class:`Blueprint` is kept as JSON in the lab's state
file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from fleetctl.errors import LabError
from fleetctl.model.topology import OS

CONTROLLER = "@controller"
ROUTER = "@router"

DEFAULT_USER = "fleet"
"""The account of a node whose ``ssh.user`` is not in nodes.yaml."""

Role = Literal["ssh", "controller", "router", "silent"]


class Segment(Struct, frozen=True):
    """One network: a bridge in the switch."""

    name: str
    bridge: str
    cidr: str
    kind: str
    control: bool
    cable: bool
    """Exactly two ends and no access point: both lose their carrier together."""


class Port(Struct, frozen=True):
    """One machine's end on one network."""

    network: str
    interface: str
    switch_port: str
    mac: str
    addresses: tuple[str, ...]
    """With prefix length; the one of nodes.yaml is first."""


class Route(Struct, frozen=True):
    """A route that the fleet needs, from :func:`fleetctl.model.expectations.derive`."""

    to: str
    via: str
    interface: str
    network: str
    """The network on which ``via`` is."""
    kind: Literal["route", "return"]


class DefaultRoute(Struct, frozen=True):
    """The default route, over the control network."""

    via: str
    interface: str
    metric: int


class Login(Struct, frozen=True):
    """How the controller logs in to a machine."""

    address: str
    """The address of its SSH server."""
    port: int
    aliases: tuple[str, ...]
    """Names that the controller's ``~/.ssh/config`` must resolve to ``address``."""
    names_user: bool
    """Whether nodes.yaml names the user, so that ``~/.ssh/config`` need not."""
    identity_file: str
    known_hosts: str


class Machine(Struct, frozen=True):
    """One set of namespaces: a node, the controller or the router."""

    key: str
    """The node's name, or ``@controller``, ``@router``."""
    hostname: str
    role: Role
    os: OS
    user: str
    uid: int
    home: str
    ports: tuple[Port, ...]
    routes: tuple[Route, ...] = ()
    default: DefaultRoute | None = None
    forwarding: bool = False
    login: Login | None = None
    listens: tuple[str, ...] = ()
    """ADDRESS:PORT of each instance of a job that must listen on the machine."""

    def port_on(self, network: str) -> Port | None:
        return next((port for port in self.ports if port.network == network), None)


class Blueprint(Struct, frozen=True):
    """Everything the lab builds."""

    fleet: str
    segments: Mapping[str, Segment]
    machines: Mapping[str, Machine]
    controller_names: tuple[str, ...]
    """Names of ``connection: local`` nodes, which are the controller itself."""
    internet: str | None
    as_guide: bool
    factory: bool = False
    """The nodes' own addresses are those that SSH needs, and they route and forward nothing."""

    def machine(self, where: str) -> Machine:
        """The machine that a user means by ``where``: a node's name or ``controller``.

        :raises LabError: no such machine.
        """
        if where in self.machines:
            return self.machines[where]
        if where in self.controller_names or where == "controller":
            return self.machines[CONTROLLER]
        names = ", ".join([*self.nodes, *self.controller_names, "controller"])
        raise LabError(f"the lab has no machine {where!r}", hint=f"It has: {names}.")

    def bare(self, machine: Machine, port: Port) -> bool:
        """Whether the machine is built without its address on a port, routes and forwarding."""
        login = machine.login.address if machine.login else ""
        return (
            self.factory
            and machine.role == "ssh"
            and not self.segments[port.network].control
            and not any(own.partition("/")[0] == login for own in port.addresses)
        )

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes that are machines of their own."""
        return tuple(key for key, m in self.machines.items() if m.role in ("ssh", "silent"))

    def ends(self, network: str) -> tuple[str, ...]:
        """Keys of the machines on a network."""
        return tuple(key for key, m in self.machines.items() if m.port_on(network))
