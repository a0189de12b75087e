"""A kind of problem, with everything it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from fleetctl.health.finding import Finding
from fleetctl.health.repairs.target import Remedies
from fleetctl.model.status import Fix, Problem, Severity
from fleetctl.model.topology import Fleet

Words = Callable[[Fleet, Sequence[Finding]], Mapping[str, str]]
"""What findings of one node and one kind put into the summary."""


class ProblemKind(Struct, frozen=True):
    """What is the same for all problems of one code. Each has a page in ``docs/problems``."""

    code: str
    severity: Severity
    """Unless a problem says that it is worse, or better, than usual."""
    summary: str
    """A sentence without its end, with ``{words}`` that each problem fills in."""
    hits: str
    """Which nodes or instances stand in ``affects``."""
    remedies: Remedies
    """What repairs it on each system, or why nothing that fleetctl runs does."""
    stops_start: bool = False
    """Whether ``start`` refuses where an instance would be hit."""

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

        :param severity: where it is another one than usual.
        :param also: what goes on after the summary.
        :param words: what the summary's words are.
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
    """One that a single node shows by itself, as findings."""

    words: Words
    consequence: str = ""
    """What the nodes that it hits cannot do, for "so pi4 …" behind the summary."""

    def of(self, fleet: Fleet, found: Sequence[Finding], hit: Sequence[str] = ()) -> Problem:
        """The problem that ``found`` makes: findings of one node, all of this kind.

        :param hit: the nodes that it keeps from something.
        """
        also = f"; so {listed(hit)} {_agreeing(self.consequence, len(hit))}" if hit else ""
        evidence = "; ".join(dict.fromkeys(f.shown_by for f in found if f.shown_by))
        words: dict[str, Any] = {**self.words(fleet, found)}
        return self.problem(found[0].node, affects=hit, evidence=evidence, also=also, **words)


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _agreeing(clause: str, number: int) -> str:
    """A clause in the plural, made to agree with ``number``."""
    return clause.replace("get ", "gets ", 1) if number == 1 else clause
