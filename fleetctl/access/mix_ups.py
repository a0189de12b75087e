"""Host keys that are recorded for another node than the one that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct


class Keys(Struct, frozen=True):
    """Of one node."""

    shown: frozenset[bytes]
    """The host keys that answer at its address; none: nothing answers."""
    recorded: frozenset[bytes]
    """Those that are recorded for it."""


def mix_ups(nodes: Mapping[str, Keys], about: Sequence[str]) -> dict[str, str]:
    """By node of ``about``, whose shown key is not the recorded one: what it has to do with another
    node, as a sentence."""
    found = {}
    for name in about:
        shown = nodes[name].shown
        owners = [n for n, keys in nodes.items() if n != name and keys.recorded & shown]
        if owners:
            found[name] = _sentence(name, owners[0], nodes)
    return found


def _sentence(name: str, owner: str, nodes: Mapping[str, Keys]) -> str:
    known = f"the key known as {owner}'s answers under {name}'s address"
    here, there = nodes[name], nodes[owner]
    if there.shown & here.recorded:
        return (
            f"{known}, and {name}'s under {owner}'s: {name} and {owner} have swapped addresses. "
            "Reserve each node's address in the router, or change ssh.host of both in nodes.yaml; "
            "no key is to be forgotten"
        )
    if there.shown & here.shown:
        return (
            f"{owner} shows the same host key as {name}: either both addresses are one machine's, "
            "or one's disk is a copy of the other's, and then either can pose as the other. Give "
            f"{name} keys of its own, at its screen: sudo rm /etc/ssh/ssh_host_*key*, then "
            "sudo ssh-keygen -A, then restart its SSH server"
        )
    return (
        f"{known}: {owner} seems to have got that address. Find out at {owner}'s screen which "
        "address it has, and correct ssh.host in nodes.yaml or the router's leases"
    )
