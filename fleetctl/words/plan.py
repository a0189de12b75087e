"""What a start would do, as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetctl.hiding import hidden, hidden_value
from fleetctl.model.jobs import Instance
from fleetctl.model.plan import PlanStep


def plan_lines(steps: Sequence[PlanStep]) -> Iterator[str]:
    """Each step with what it waits for, its command and its variables; what looks like a secret is
    hidden."""
    for step in steps:
        needs = ", ".join(need.name + _until(step.instance, need) for need in step.needs)
        after = f"after {needs}" if needs else "at once"
        yield f"{step.stage + 1}. {step.instance.name}  {after}"
        yield f"     {hidden(step.instance.line or 'started by hand, watched by us')}"
        for name, value in step.instance.provided.items():
            yield f"     {name}={hidden_value(name, value)}"


def _until(waiting: Instance, need: Instance) -> str:
    until = waiting.waits_until(need)
    return "" if until == "ready" else f" ({until})"
