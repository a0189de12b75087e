"""What became of the members of a job because one of them failed."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job


def ended_for(job: Job, failed: Instance, facts: Mapping[str, NodeFacts]) -> tuple[str, ...]:
    """The instances that the job's rule ended because ``failed`` had failed first."""
    found = []
    for instance in job.instances:
        known = facts.get(instance.node)
        record = known.records.get((instance.job, instance.name)) if known else None
        word = record.group_word if record and record.phase == "ended" else None
        if word and word.wanted == "end" and word.why.startswith(f"{failed.name} "):
            found.append(instance.name)
    return tuple(found)
