"""The processes of each run: those that have its id in their environment."""

from __future__ import annotations

import re

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.layout import RUN_VARIABLE
from fleetctl.model.questions import Questions
from fleetctl.probes.probe import Ask, Probe, Told
from fleetctl.probes.script import Answer
from fleetctl.probes.started import if_started


def _linux(questions: Questions) -> str:
    text = (
        f"grep -aoHz '^{RUN_VARIABLE}=[0-9a-f]*' /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    )
    return if_started(questions.fleet, questions.node, text)


def _macos(questions: Questions) -> str:
    text = (
        "ps -Eaxww -o pid=,command= | sed -n "
        f"'s/^ *\\([0-9]*\\) .* {RUN_VARIABLE}=\\([0-9a-f][0-9a-f]*\\).*/\\1 \\2/p'"
    )
    return if_started(questions.fleet, questions.node, text)


def read_runs(answer: Answer) -> dict[str, tuple[int, ...]]:
    """Run id to process ids."""
    runs: dict[str, list[int]] = {}
    pid = r"([0-9]{1,18})"
    pattern = rf"^/proc/{pid}/environ:{RUN_VARIABLE}=([0-9a-f]+)$|^{pid} ([0-9a-f]+)$"
    for match in re.finditer(pattern, answer.text, re.M):
        runs.setdefault(match[2] or match[4], []).append(int(match[1] or match[3]))
    return {run: tuple(pids) for run, pids in runs.items()}


def _read(told: Told) -> dict[str, tuple[int, ...]]:
    return read_runs(told.answer)


def _into(facts: NodeFacts, runs: dict[str, tuple[int, ...]]) -> NodeFacts:
    return replace(facts, runs=runs)


PROBE = Probe(
    name="runs",
    when="services",
    on={"linux": Ask(_linux, _read), "macos": Ask(_macos, _read)},
    into=_into,
)
