"""Programs that a job requires on its nodes, with versions. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fleetctl.patterns import pattern

Operator = Literal[">=", ">", "==", "<=", "<"]

_WRITTEN = pattern(
    r"(?P<program>[A-Za-z0-9_][A-Za-z0-9_.+-]*)"
    r"(?:\s*(?P<operator>>=|>|==|<=|<)\s*(?P<version>[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}))?"
)


class Requirement(Struct, frozen=True):
    """A program, and which versions of it will do.

    As many parts of a version are compared as are written: ``==3.11`` and ``<=3.11`` hold for
    3.11.9, and ``>3.11`` does not.
    """

    program: str
    operator: Operator | None = None
    """``None``: any version."""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.program}{self.operator or ''}{self.version}"

    def holds(self, version: str) -> bool:
        """Whether ``version``, numbers with dots, will do."""
        wanted = _parts(self.version)
        found = (*_parts(version), *(0 for _ in wanted))[: len(wanted)]
        match self.operator:
            case None:
                return True
            case ">=":
                return found >= wanted
            case ">":
                return found > wanted
            case "==":
                return found == wanted
            case "<=":
                return found <= wanted
            case "<":
                return found < wanted


def read_requirement(text: str) -> Requirement | None:
    """``python3>=3.11`` or ``uv``; None: it is neither."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        return None
    operator: Operator | None = found["operator"]  # type: ignore[assignment]  # the pattern's words
    return Requirement(found["program"], operator, found["version"] or "")


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split("."))) if version else ()
