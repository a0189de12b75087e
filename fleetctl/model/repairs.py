"""Repairs: what can be run on a node, what was run, and how it is undone."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleetctl.model.status import Problem, RepairStep

RECORD_SCHEMA = "fleetctl.fixed/1"


class Repair(Struct, frozen=True):
    """A problem and the steps that repair it, all on one node."""

    problem: Problem
    node: str
    os: str
    steps: tuple[RepairStep, ...]
    notes: tuple[str, ...] = ()
    """What cannot be repaired, or not for good, and why."""
    protected: frozenset[str] = frozenset()
    """Interfaces that are not touched, since one of them carries SSH."""

    def runnable(self, *, persistent: bool) -> tuple[RepairStep, ...]:
        """The steps that may be run.

        :param persistent: on macOS also those that last over a reboot.
        """
        return tuple(
            s
            for s in self.steps
            if not self.refusal(s)
            and (persistent or not s.lasts or s.installs or self.os != "macos")
        )

    def refusal(self, step: RepairStep) -> str:
        """Why ``step`` is never run; empty: it may be."""
        return refusal(self.node, step, self.protected)


def refusal(node: str, step: RepairStep, protected: frozenset[str]) -> str:
    """Why ``step`` is not run; empty: it may be.

    :param protected: interfaces of ``node`` that no step may change.
    """
    if step.interface not in protected:
        return ""
    return (
        f"{step.interface} carries the SSH connection to {node}, so fix does not touch it: "
        f"run the command at {node} itself"
    )


class ByHand(Struct, frozen=True):
    """A problem that fleetctl cannot repair."""

    problem: Problem
    notes: tuple[str, ...] = ()
    """Why not."""


class Proposal(Struct, frozen=True):
    """All problems: those that can be repaired, and those left to the user."""

    repairs: tuple[Repair, ...] = ()
    by_hand: tuple[ByHand, ...] = ()
    then: tuple[Repair, ...] = ()
    """What ``repairs`` are expected to bring up: found, and repaired, once they are done."""


OutcomeState = Literal["done", "failed", "refused", "unknown"]
"""``refused``: not run, to keep the connection; ``unknown``: it may have been run or not."""


class StepOutcome(Struct, frozen=True):
    """The outcome of one command."""

    node: str
    code: str
    """The problem's."""
    command: str
    state: OutcomeState
    said: str = ""
    """Why it is not done."""


class RepairRecord(Struct, frozen=True, kw_only=True):
    """One command and how to undo it; written to the node before the command is run."""

    schema: str = RECORD_SCHEMA
    node: str
    code: str
    """The problem's."""
    at: datetime
    """By the controller's clock."""
    step: RepairStep


class KeptRecord(Struct, frozen=True):
    """A record and the name of its file on the node."""

    name: str
    record: RepairRecord
