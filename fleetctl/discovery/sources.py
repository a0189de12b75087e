"""The hosts in a file, whatever of the known forms it has."""

from __future__ import annotations

import re

import yaml

from fleetctl.discovery import ansible, smolcluster
from fleetctl.discovery.answer import Host
from fleetctl.discovery.hosts import ssh_config_hosts
from fleetctl.errors import UsageError


def is_ssh_config(text: str) -> bool:
    """Whether the first line that says something is one of an SSH configuration."""
    said = (line.strip() for line in text.splitlines())
    first = next((line for line in said if line and not line.startswith("#")), "")
    return bool(re.match(r"(?:Host|Match|Include|[A-Z][A-Za-z]+)[\s=]", first)) and ":" not in first


def file_hosts(text: str, source: str) -> list[Host]:
    """The hosts in ``text``: an SSH configuration, an Ansible inventory, or a file of smolcluster.

    :param source: the file's name, for messages and comments.
    :raises UsageError: it is none of these, or has no hosts.
    """
    where = f"in {source}"
    tree = _yaml(text)
    if isinstance(tree, dict):
        if smolcluster.is_inventory(tree):
            found = smolcluster.inventory_hosts(tree, where)
        elif smolcluster.is_cluster_config(tree):
            found = smolcluster.cluster_hosts(tree, where)
        elif ansible.is_inventory(tree):
            found = ansible.yaml_hosts(tree, where)
        else:
            raise UsageError(
                f"{source} is none of the files that hosts can be read from",
                hint="These are an SSH configuration, an Ansible inventory (INI or YAML), and "
                "smolcluster's nodes.yaml or cluster_config.",
            )
    elif is_ssh_config(text):
        found = ssh_config_hosts(text, where)
    else:
        found = ansible.ini_hosts(text, where)
    if not found:
        raise UsageError(f"{source} names no hosts that can be logged into")
    return found


def _yaml(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
