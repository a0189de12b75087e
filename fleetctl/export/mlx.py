"""The JSON hostfile of ``mlx.launch`` (ml-explore.github.io/mlx, "Launching Distributed
Programs"): for each rank a name to ssh to, and the addresses that its ring listens on."""

from __future__ import annotations

import json

from fleetctl.export.members import members
from fleetctl.model.jobs import Job
from fleetctl.model.topology import Fleet


def mlx(fleet: Fleet, job: Job | None) -> str:
    """Nodes are named as in nodes.yaml, which ``fleetctl export ssh`` makes names for ssh.

    :raises UsageError: no node can be logged into.
    """
    lines = [
        json.dumps({"ssh": m.node.name, "ips": [str(m.address)] if m.address else []})
        for m in members(fleet, job)
    ]
    return "[\n" + ",\n".join(f"    {line}" for line in lines) + "\n]\n"
