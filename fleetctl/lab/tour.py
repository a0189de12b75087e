"""A tour of faults: what to break in a fleet, what to look for then, and what repairs it.

The scenarios depend on the fleet: forwarding is switched off if there is a gateway, a cable is
pulled if there is one. A fleet of two nodes with a job has more than five; on the loopback there
are five.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec

from fleetctl.demo import Scenario
from fleetctl.errors import LabError
from fleetctl.lab.faults.registry import KINDS
from fleetctl.lab.lab import Lab
from fleetctl.lab.loopback import LOOPBACK_KINDS, LoopbackLab
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.layout import TMUX_SOCKET, instance_dir
from fleetctl.model.topology import Fleet
from fleetctl.quoting import quote

ACT_TIMEOUT_S = 30.0
KILL = "kill"
TMUX_KILLED = "tmux-killed"

Places = Callable[[str, str], list[str | None]]
"""By kind of fault and node: the networks it can affect; ``[None]``: the node; empty: none."""


def scenarios(fleet: Fleet, job: Job | None, places: Places) -> tuple[Scenario, ...]:
    """The tour through ``fleet`` while ``job`` runs, the most instructive five first.

    Only faults that show on open connections: a revoked key, for one, shows at the next login only.
    """
    run = [i for i in (job.instances if job else ()) if i.command is not None]
    workers = [i for i in run if i.after] or run[1:]
    servers = [i for i in run if not i.after]
    reachable = [name for name, node in fleet.nodes.items() if node.connection == "ssh"]
    working = [name for name in reachable if any(i.node == name for i in workers)]
    # Prefer the last node that fits: others more often depend on the first ones of nodes.yaml.
    order = [*working[::-1], *(name for name in reachable[::-1] if name not in working)]
    found = (
        [_kill(workers[0])] if workers else [],
        _cable(order, places),
        _forwarding(fleet, order, places),
        _route(order, places),
        _control(fleet, order, places),
        _silent(order, places),
        [_kill(servers[0], server=any(i.after for i in run))] if servers else [],
        [_kill_tmux(workers[-1])] if workers else [],
        _return_route(order, places),
        _ssh_and_disk(order, places),
    )
    return tuple(chain.from_iterable(found))


def _kill(instance: Instance, *, server: bool = False) -> Scenario:
    restarts = instance.restart.policy != "never"
    others = (
        "the others lose it, keep trying, and are back as soon as it is"
        if server
        else "the others go on"
    )
    seen = "is restarting, then ready" if restarts else "has failed"
    return Scenario(
        f"{KILL}@{instance.name}",
        f"Kill {instance.name}",
        instance.node,
        KILL,
        f"Within a second {instance.name} {seen}; {others}.",
        None if restarts else "service-failed",
        "itself" if restarts else "start",
        f"Its supervisor on {instance.node} starts it again after {instance.restart.delay_s:g} s."
        if restarts
        else f"s on {instance.name} starts it again.",
        target=instance.name,
    )


def _kill_tmux(instance: Instance) -> Scenario:
    node = instance.node
    return Scenario(
        f"{TMUX_KILLED}@{node}",
        f"Kill tmux on {node}",
        node,
        TMUX_KILLED,
        f"{instance.name} has failed: tmux went, and every window on {node} with it. "
        "The other nodes do not notice.",
        "service-failed",
        "start",
        f"s on {instance.name} starts it in a new tmux.",
        target=instance.name,
    )


def _cable(order: list[str], places: Places) -> Iterator[Scenario]:
    for node, network in _first("edge-down", order, places):
        yield Scenario(
            f"edge-down@{node}",
            f"Pull {node}'s cable",
            node,
            "edge-down",
            f"The line of {network} breaks off in the topology. {node} can still be logged into "
            "over the control network: only its way to the job is gone.",
            "interface-down",
            "heal",
            "No command plugs in a cable: somebody has to.",
            network=network,
        )


def _forwarding(fleet: Fleet, order: list[str], places: Places) -> Iterator[Scenario]:
    for node, _ in _first("forwarding-off", order, places):
        behind = [n.name for n in fleet.nodes.values() if node in n.via.values()]
        yield Scenario(
            f"forwarding-off@{node}",
            f"{node} stops forwarding",
            node,
            "forwarding-off",
            f"One problem, on {node}, although it is {' and '.join(behind) or 'another node'} that "
            "loses its way into the cluster.",
            "forwarding-off",
            "fix",
            "f on the problem shows the command, and runs it when you say so.",
        )


def _route(order: list[str], places: Places) -> Iterator[Scenario]:
    for node, _ in _first("route-missing", order, places):
        yield Scenario(
            f"route-missing@{node}",
            f"Forget {node}'s route",
            node,
            "route-missing",
            f"The gateway is well, but {node} no longer knows that it leads into the cluster.",
            "route-missing",
            "fix",
            "f on the problem shows the route that is missing, and adds it when you say so.",
        )


def _return_route(order: list[str], places: Places) -> Iterator[Scenario]:
    for node, _ in _first("return-route-missing", order, places):
        yield Scenario(
            f"return-route-missing@{node}",
            f"Forget {node}'s route back",
            node,
            "return-route-missing",
            "What is sent arrives, and no answer finds its way back: from the other end it looks "
            f"like a dead network. One problem names {node}.",
            "return-route-missing",
            "fix",
            "f on the problem shows the route back, and adds it when you say so.",
        )


def _control(fleet: Fleet, order: list[str], places: Places) -> Iterator[Scenario]:
    gateways = {gateway for node in fleet.nodes.values() for gateway in node.via.values()}
    plain = [n for n in order if n not in gateways and not fleet.nodes[n].via]
    for node, network in _first("wifi-down", plain or order, places):
        about = fleet.networks.get(network or "")
        wifi = about is not None and about.kind == "wifi"
        two_ways = any(name != network for name in fleet.nodes[node].networks)
        yield Scenario(
            f"wifi-down@{node}",
            f"Turn off {node}'s {'Wi-Fi' if wifi else 'control link'}",
            node,
            "wifi-down",
            f"Of {node}'s two marks the one for ssh is ✖ within seconds, the one for data stays ●: "
            "it cannot be asked, and it goes on working."
            if two_ways
            else f"The ssh mark of {node} is ✖ within seconds: it cannot be asked.",
            "ssh-timeout",
            "heal",
            "Somebody has to turn it on again.",
            network=network,
        )


def _silent(order: list[str], places: Places) -> Iterator[Scenario]:
    for node, _ in _first("power-off", order, places):
        yield Scenario(
            f"power-off@{node}",
            f"Cut the power of {node}",
            node,
            "power-off",
            "Within seconds its marks are ✖, and what ran there is unknown, not failed: a node "
            "that cannot be asked does not say what ended.",
            "ssh-timeout",
            "heal",
            "Once it has power again, s starts what ran there.",
        )
    # On the loopback there is little else, so both ends of the job are shown.
    ends = [node for node, _ in _all("node-down", order, places)]
    for node in dict.fromkeys([*ends[:1], *ends[-1:]]):
        yield Scenario(
            f"node-down@{node}",
            f"Let {node} fall silent",
            node,
            "node-down",
            "Its ssh mark is ✖, and what runs there is unknown, not failed: a node that cannot be "
            "asked does not say what ended.",
            "ssh-unreachable",
            "heal",
            "Once it answers again, everything there is seen to run on.",
        )


def _ssh_and_disk(order: list[str], places: Places) -> Iterator[Scenario]:
    for kind, title, look, code, remedy in (
        (
            "sshd-hang",
            "Freeze {node}'s SSH server",
            "After some seconds the connection breaks; a few later the problem knows more: the "
            "address answers and SSH does not, so the machine is not off.",
            "ssh-hung",
            "Somebody has to restart it at the machine's own screen.",
        ),
        (
            "disk-full",
            "Fill {node}'s disk",
            "The job goes on, and a problem warns before its log is cut off.",
            "disk-full",
            "Somebody has to make room.",
        ),
    ):
        for node, _ in _first(kind, order, places):
            name, said = f"{kind}@{node}", title.format(node=node)
            yield Scenario(name, said, node, kind, look, code, "heal", remedy)


def _all(kind: str, order: list[str], places: Places) -> list[tuple[str, str | None]]:
    """The nodes that ``kind`` fits, each with the first network it can hit there."""
    return [(node, found[0]) for node in order if (found := places(kind, node))]


def _first(kind: str, order: list[str], places: Places) -> list[tuple[str, str | None]]:
    return _all(kind, order, places)[:1]


def places_in(lab: Lab | LoopbackLab) -> Places:
    """What can be broken in ``lab``, by kind and node."""
    if isinstance(lab, LoopbackLab):
        servers = lab.state.nodes
        return lambda kind, node: [None] if kind in LOOPBACK_KINDS and node in servers else []
    plan = lab.blueprint

    def places(kind: str, node: str) -> list[str | None]:
        machine = plan.machines.get(node)  # a local node is the controller, which is never broken
        return KINDS[kind].places(plan, machine) if kind in KINDS and machine else []

    return places


class Tour:
    """The tour through a running lab, which answers requests."""

    def __init__(self, lab: Lab | LoopbackLab, fleet: Fleet, job: Job | None) -> None:
        self._lab = lab
        self._fleet = fleet
        self._job = job
        self.scenarios = {
            scenario.id: scenario for scenario in scenarios(fleet, job, places_in(lab))
        }

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer ``{"do": "list"}``, or ``{"do": "fault" | "heal", "scenario": id}``.

        :raises LabError: the request makes no sense, or cannot be done.
        """
        match request:
            case {"do": "list"}:
                return {"scenarios": msgspec.to_builtins(tuple(self.scenarios.values()))}
            case {"do": "fault", "scenario": str(name)}:
                return {"said": self._break(self._scenario(name))}
            case {"do": "heal", "scenario": str(name)}:
                return {"said": self._mend(self._scenario(name))}
        raise LabError(f"the demo does not know the request {dict(request)}")

    def _scenario(self, name: str) -> Scenario:
        if name not in self.scenarios:
            raise LabError(f"the tour has no scenario {name!r}")
        return self.scenarios[name]

    def _break(self, scenario: Scenario) -> str:
        if scenario.fault == KILL:
            self._kill(scenario)
        elif scenario.fault == TMUX_KILLED:
            self._run(
                scenario, f"tmux -L {TMUX_SOCKET} kill-server", f"no tmux runs on {scenario.node}"
            )
        else:
            self._lab.fault(scenario.fault, scenario.node, network=scenario.network)
        return f"{scenario.title}: done."

    def _mend(self, scenario: Scenario) -> str:
        if scenario.repair == "itself":
            return scenario.remedy
        if scenario.target is not None:
            done = self._lab.run(
                "controller", ["fleetctl", "start", scenario.target], timeout_s=ACT_TIMEOUT_S
            )
            if done.returncode != 0:
                said = done.stderr.decode(errors="replace").strip().splitlines()
                raise LabError(
                    f"{scenario.target} does not start: {said[-1] if said else 'no word'}"
                )
            return f"{scenario.target} runs again."
        mended = self._lab.heal(scenario.fault, scenario.node)
        return f"{scenario.title}: mended." if mended else "It is not broken."

    def _kill(self, scenario: Scenario) -> None:
        """Kill the child of the instance's shell, or the shell itself if it has none.

        As when a command ends by itself, supervisor and window stay.
        """
        assert self._job is not None
        folder = instance_dir(self._fleet.name, self._job.name, scenario.target or "")
        script = (
            f'cd "$HOME" && pid=$(sed -n s/^pid=//p {quote(folder.removeprefix("~/"))}/state) '
            '&& [ -n "$pid" ] && inner=$(pgrep -P "$pid") ; '
            '[ -n "$pid" ] && kill -9 ${inner:-$pid}'
        )
        self._run(scenario, script, f"{scenario.target} does not run")

    def _run(self, scenario: Scenario, script: str, otherwise: str) -> None:
        done = self._lab.run(scenario.node, ["sh", "-c", script], timeout_s=ACT_TIMEOUT_S)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise LabError(f"{otherwise}{f' ({said})' if said else ''}")
