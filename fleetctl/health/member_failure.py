"""What became of the members of a job because one of them failed."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job


def ended(job: Job, facts: Mapping[str, NodeFacts]) -> dict[str, str]:
    """Why the job's rule ended instances, by their names."""
    found = {}
    for instance in job.instances:
        known = facts.get(instance.node)
        record = known.records.get((instance.job, instance.name)) if known else None
        word = record.group_word if record and record.phase == "ended" else None
        if word and word.wanted == "end":
            found[instance.name] = word.why
    return found


def ended_for(failed: Instance, ended: Mapping[str, str]) -> tuple[str, ...]:
    """Those of ``ended`` that were because ``failed`` had failed first."""
    return tuple(name for name, why in ended.items() if why.startswith(f"{failed.name} "))
