"""The hosts of an Ansible inventory, INI or YAML (docs.ansible.com, "How to build your
inventory"): names, groups, and the variables that say how to log in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from fleetctl.discovery.answer import Host
from fleetctl.discovery.hosts import own_name, parse_host
from fleetctl.errors import UsageError
from fleetctl.model.topology import SSH

Vars = dict[str, str]

_DEEPEST = 20
"""Groups inside of groups."""
_MOST = 1000
"""Hosts of a range such as ``pi[1:9]``."""


class _Inventory:
    def __init__(self) -> None:
        self.hosts: dict[str, Vars] = {}
        """Variables of the host itself, by name."""
        self.members: dict[str, list[str]] = {}
        self.vars: dict[str, Vars] = {}
        """By group."""
        self.children: dict[str, list[str]] = {}

    def add(self, group: str, host: str, own: Vars) -> None:
        for name in _expanded(host):
            self.hosts.setdefault(name, {}).update(own)
            self.members.setdefault(group, []).append(name)

    def variables(self, host: str) -> Vars:
        """Those of its groups, outer ones first, then its own."""
        found = dict(self.vars.get("all", {}))
        for group in self._groups(host):
            found.update(self.vars.get(group, {}))
        return {**found, **self.hosts[host]}

    def _groups(self, host: str) -> list[str]:
        chain = [group for group, names in self.members.items() if host in names]
        for group in chain[:]:
            self._parents(group, chain, 0)
        return [group for group in dict.fromkeys(reversed(chain)) if group != "all"]

    def _parents(self, group: str, chain: list[str], depth: int) -> None:
        for parent, children in self.children.items():
            if group in children and parent not in chain and depth < _DEEPEST:
                chain.append(parent)
                self._parents(parent, chain, depth + 1)


def ini_hosts(text: str, source: str) -> list[Host]:
    """
    :raises UsageError: a line cannot be read.
    """
    inventory, section, kind = _Inventory(), "ungrouped", ""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if head := re.fullmatch(
            r"\[([^\]:]+)(?::(vars|children|hosts))?\]\s*(?:[#;].*)?", stripped
        ):
            section, kind = head[1], head[2] or ""
            continue
        try:
            words = shlex.split(stripped, comments=True)
        except ValueError as error:
            raise UsageError(f"{source}, line {number}: {error}") from None
        if kind == "children":
            inventory.children.setdefault(section, []).append(words[0])
        elif kind == "vars":
            key, _, value = stripped.partition("=")
            unquoted = " ".join(shlex.split(value, comments=True)) if value.strip() else ""
            inventory.vars.setdefault(section, {})[key.strip()] = unquoted
        else:
            own = dict(word.split("=", 1) for word in words[1:] if "=" in word)
            inventory.add(section, words[0], own)
    return list(_hosts(inventory, source))


def yaml_hosts(tree: Mapping[str, Any], source: str) -> list[Host]:
    """
    :raises UsageError: a value cannot be read.
    """
    inventory = _Inventory()
    for name, group in tree.items():
        _take(inventory, str(name), group, 0)
    return list(_hosts(inventory, source))


def is_inventory(tree: Mapping[str, Any]) -> bool:
    """Whether each value looks like a group."""
    groups = [group for group in tree.values() if group is not None]
    keys = {"hosts", "children", "vars"}
    return bool(groups) and all(isinstance(g, Mapping) and set(g) <= keys for g in groups)


def _take(inventory: _Inventory, name: str, group: object, depth: int) -> None:
    if not isinstance(group, Mapping) or depth > _DEEPEST:
        return
    inventory.vars.setdefault(name, {}).update(_texts(group.get("vars")))
    hosts, children = group.get("hosts"), group.get("children")
    for host, own in hosts.items() if isinstance(hosts, Mapping) else ():
        inventory.add(name, str(host), _texts(own))
    for child, inner in children.items() if isinstance(children, Mapping) else ():
        inventory.children.setdefault(name, []).append(str(child))
        _take(inventory, str(child), inner, depth + 1)


def _texts(value: object) -> Vars:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}


def _expanded(pattern: str) -> list[str]:
    """``pi[1:3]`` and ``pi[01:10:2]`` as names; everything else as it is."""
    match = re.fullmatch(r"(.*)\[(\d+):(\d+)(?::(\d+))?\](.*)", pattern)
    if match is None:
        return [pattern]
    first, last, step = int(match[2]), int(match[3]), int(match[4] or 1)
    numbers = range(first, last + 1, max(step, 1))[:_MOST]
    return [f"{match[1]}{n:0{len(match[2])}}{match[5]}" for n in numbers]


def _hosts(inventory: _Inventory, source: str) -> Iterator[Host]:
    for name in inventory.hosts:
        said = inventory.variables(name)
        if said.get("ansible_connection", "ssh") not in (
            "ssh",
            "smart",
            "paramiko",
            "paramiko_ssh",
        ):
            continue
        given = parse_host(_plain(said, "ansible_host", "ansible_ssh_host") or name, source)
        port = _plain(said, "ansible_port", "ansible_ssh_port")
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            raise UsageError(f"{source}: the port of {name!r} is {port!r}, which is none")
        label = name.partition(":")[0] if own_name(name) else name
        yield Host(
            SSH(
                given.ssh.host,
                port=int(port) if port else given.ssh.port,
                user=_plain(said, "ansible_user", "ansible_ssh_user") or given.ssh.user,
                identity_file=_plain(said, "ansible_ssh_private_key_file"),
                proxy_jump=_jump(said),
            ),
            source,
            name=own_name(label),
        )


def _plain(said: Vars, *names: str) -> str | None:
    """The value of the first of ``names`` that is there; one that Ansible would have to work out
    is none."""
    value = next((said[name] for name in names if said.get(name)), None)
    return None if value is None or "{{" in value else value


def _jump(said: Vars) -> str | None:
    arguments = " ".join(
        said.get(name, "") for name in ("ansible_ssh_common_args", "ansible_ssh_extra_args")
    )
    found = re.search(r"(?:-J\s*|-o\s*['\"]?ProxyJump[= ]\s*)([^\s'\"]+)", arguments)
    return found[1] if found else None
