"""The text of a nodes.yaml, with comments that say where each line comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from fleetctl.discovery.draft import Draft, DraftNetwork, DraftNode
from fleetctl.escaping import visible
from fleetctl.model.topology import DEFAULT_CONNECT_TIMEOUT_S, DHCP, SSH

_COLUMN = 38
"""Where comments begin, if there is room."""
_PLAIN = re.compile(r"[A-Za-z_][\w.-]*|\d+\.\d+\.\d+\.\d+|/[\w./-]*|~/[\w./-]*")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
"""Words that YAML 1.1 takes for something else than text."""


def file_text(draft: Draft, today: date, *, jobs: bool = False) -> str:
    """The whole file.

    :param jobs: jobs will follow; else the file ends with a remark that shows their form.
    """
    return "".join(f"{line}\n" for line in _lines(draft, today, jobs))


def _lines(draft: Draft, today: date, jobs: bool) -> Iterator[str]:
    yield f"# Written by fleetctl init on {today:%Y-%m-%d}, from what the nodes said. Comments say"
    yield '# where a line comes from; what no node said is marked "guessed": look at it first.'
    yield "# docs/nodes-yaml.md explains every key; fleetctl config check finds every mistake."
    for note in draft.notes:
        yield f"# note: {words(note)}"
    yield ""
    yield _commented(f"fleet: {scalar(draft.fleet)}", "also the tmux session on every node")
    if draft.networks:
        yield ""
        yield "networks:"
        for network in draft.networks:
            yield from network_lines(network, "  ")
    yield ""
    yield _commented("internet: 8.8.8.8", 'what "has internet" means; null turns it off')
    yield ""
    yield "nodes:"
    for node in draft.nodes:
        yield from node_lines(node, "  ")
    for host in draft.left_out:
        yield f"  # {words(host.host)} is left out: {words(host.why)}"
    if jobs:
        return
    yield ""
    yield '# What to run; docs/nodes-yaml.md, "jobs.NAME":'
    yield "# jobs:"
    yield "#   JOB:"
    yield "#     services:"
    yield f"#       SERVICE: {{on: {draft.nodes[0].name}, command: python3 train.py}}"


def network_lines(network: DraftNetwork, indent: str) -> Iterator[str]:
    """One entry of ``networks``."""
    yield _commented(f"{indent}{scalar(network.name)}:", _reason(network.why, network.guessed))
    yield f"{indent}  cidr: {network.cidr}"
    yield f"{indent}  kind: {scalar(network.kind)}"
    if network.control:
        yield f"{indent}  control: true"


def node_lines(node: DraftNode, indent: str) -> Iterator[str]:
    """One entry of ``nodes``."""
    for note in node.notes:
        yield f"{indent}# {words(note)}"
    yield f"{indent}{scalar(node.name)}:"
    inner = f"{indent}  "
    said = [line for lines in fields(node).values() for line in lines]
    login = ssh_value(node) or ("" if said else f"{{host: {scalar(node.ssh.value.host)}}}")
    if login:
        said.insert(0, _commented(f"ssh: {login}", node.ssh.why))
    else:
        said.insert(0, f"# reached as {node.name}, {words(node.ssh.why)}")
    yield from (f"{inner}{line}" for line in said)


def fields(node: DraftNode) -> dict[str, list[str]]:
    """The lines of each key of the node but ``ssh``, by key, without indent."""
    found: dict[str, list[str]] = {}
    if node.os:
        found["os"] = [_commented(f"os: {node.os.value}", node.os.why)]
    if node.addresses:
        found["addresses"] = [
            "addresses:",
            *(
                _commented(f"  {scalar(n)}: {DHCP}", f"{a.value} now: {a.why}")
                if n in node.leased
                else _commented(f"  {scalar(n)}: {a.value}", _reason(a.why, a.guessed))
                for n, a in node.addresses.items()
            ),
        ]
    if node.interfaces:
        found["interfaces"] = [
            "interfaces:",
            *(
                _commented(f"  {scalar(n)}: {scalar(i.value)}", i.why)
                for n, i in node.interfaces.items()
            ),
        ]
    if node.gateway:
        why = _reason(node.gateway.why, node.gateway.guessed)
        found["gateway"] = [_commented("gateway: true", why)]
    if node.via:
        found["via"] = [
            "via:",
            *(
                _commented(f"  {scalar(n)}: {scalar(v.value)}", _reason(v.why, v.guessed))
                for n, v in node.via.items()
            ),
        ]
    return found


def ssh_value(node: DraftNode) -> str:
    """``ssh`` as a mapping in one line; empty if it only says the node's name."""
    ssh: SSH = node.ssh.value
    own = {
        "host": ssh.host if ssh.host != node.name else None,
        "port": ssh.port,
        "user": ssh.user,
        "identity_file": ssh.identity_file,
        "known_hosts": ssh.known_hosts,
        "proxy_jump": ssh.proxy_jump,
        "connect_timeout": (
            f"{ssh.connect_timeout_s:g}"
            if ssh.connect_timeout_s != DEFAULT_CONNECT_TIMEOUT_S
            else None
        ),
    }
    said = [f"{k}: {scalar(str(v))}" for k, v in own.items() if v is not None]
    return f"{{{', '.join(said)}}}" if said else ""


def scalar(text: str) -> str:
    """``text`` as a YAML scalar."""
    if text.isdigit() or (_PLAIN.fullmatch(text) and text.lower() not in _WORDS):
        return text
    return "'" + words(text).replace("'", "''") + "'"


def words(text: str) -> str:
    """``text`` in one line, without what YAML does not take in a comment either."""
    return "".join(c if c.isprintable() else "?" for c in visible(text))


def _reason(why: str, guessed: bool) -> str:
    return f"guessed: {why}" if guessed else why


def _commented(line: str, why: str) -> str:
    return f"{line.ljust(_COLUMN)} # {words(why)}" if why else line
