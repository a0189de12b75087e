"""Names of commands and settings for problem texts, by operating system. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from fleetctl.health.repairs import linux, macos
from fleetctl.model.facts import NodeFacts
from fleetctl.model.topology import OS, supported_os


class Wording(Struct, frozen=True):
    """The names on one system."""

    forwarding: str
    """The sysctl that switches IPv4 forwarding on."""
    asks_way: str
    """The command that tells the route to an address."""
    not_at_boot: str
    """Subject of "… sets it": what does not switch forwarding on at boot."""
    installs_tmux: str
    refuses_folder: str
    """Why a folder that exists may not be entered."""


WORDING: Mapping[OS, Wording] = {
    "linux": Wording(
        forwarding=linux.FORWARDING,
        asks_way="ip route get",
        not_at_boot="nothing in /etc/sysctl.d",
        installs_tmux="sudo apt-get install -y tmux",
        refuses_folder="it is no folder, or its mode forbids it",
    ),
    "macos": Wording(
        forwarding=macos.FORWARDING,
        asks_way="route -n get",
        not_at_boot="no LaunchDaemon",
        installs_tmux="brew install tmux",
        refuses_folder="macOS protects Desktop, Documents and Downloads",
    ),
}


def wording(facts: NodeFacts | None) -> Wording:
    """That of the node's system; Linux's if that is not known."""
    own = supported_os(facts.system.os) if facts and facts.system else None
    return WORDING[own or "linux"]
