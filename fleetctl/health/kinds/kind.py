"""What is the same for all problems of one code: severity, summary, remedies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from fleetctl.health.finding import Finding
from fleetctl.health.repairs.target import Remedies
from fleetctl.model.status import Fix, Problem, Severity
from fleetctl.model.topology import Fleet
from fleetctl.quantities import listed

Words = Callable[[Fleet, Sequence[Finding]], Mapping[str, str]]
"""Makes the values for a summary's placeholders, from findings of one node and one kind."""

NAMES_TOLD = 5
"""More names than this are counted in a sentence; the problem's ``affects`` has them."""


class ProblemKind(Struct, frozen=True):
    """What is the same for all problems of one code. Each has a page in ``docs/problems``."""

    code: str
    severity: Severity
    """The usual one; a single problem may have another."""
    summary: str
    """A sentence without a full stop, with ``{placeholders}`` that each problem fills in."""
    hits: str
    """Which nodes or instances are in ``affects``."""
    remedies: Remedies
    """What repairs it on each system, or why fleetctl cannot."""
    stops_start: bool = False
    """Whether ``start`` refuses if the problem affects an instance that it would start."""

    def problem(
        self,
        node: str | None,
        *,
        affects: Sequence[str] = (),
        evidence: str = "",
        severity: Severity | None = None,
        fix: Fix | None = None,
        also: str = "",
        **words: object,
    ) -> Problem:
        """A problem of this kind.

        :param severity: if it is not the usual one.
        :param also: is appended to the summary.
        :param words: the values of the summary's placeholders.
        """
        return Problem(
            code=self.code,
            severity=severity or self.severity,
            node=node,
            summary=self.summary.format(node=node, **words) + also,
            affects=tuple(affects),
            evidence=evidence,
            fix=fix,
        )


class FindingKind(ProblemKind, frozen=True, kw_only=True):
    """A kind with problems that are made of one node's findings."""

    words: Words
    consequence: str = ""
    """What the affected nodes cannot do: the end of "; so pi4 …" after the summary."""

    def of(self, fleet: Fleet, found: Sequence[Finding], hit: Sequence[str] = ()) -> Problem:
        """The problem made of ``found``: findings of one node, all of this kind.

        :param hit: the other nodes that it affects.
        """
        also = f"; so {listed(hit)} {_agreeing(self.consequence, len(hit))}" if hit else ""
        evidence = "; ".join(dict.fromkeys(f.shown_by for f in found if f.shown_by))
        words: dict[str, Any] = {**self.words(fleet, found)}
        return self.problem(found[0].node, affects=hit, evidence=evidence, also=also, **words)


def listed_or_counted(names: Sequence[str], of: str = "nodes") -> str:
    """Names for a sentence as far as it stays short, else how many there are.

    :param of: what they are names of.
    """
    return listed(names) if len(names) <= NAMES_TOLD else f"{len(names)} {of}"


def _agreeing(clause: str, number: int) -> str:
    """``clause``, which is in the plural, for a subject of this number."""
    return clause.replace("get ", "gets ", 1) if number == 1 else clause
