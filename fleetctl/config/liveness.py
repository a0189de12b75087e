"""Reads ``liveness`` of a service: what its running instances are asked again and again."""

from __future__ import annotations

from typing import get_args

from msgspec import UNSET

from fleetctl.config.endpoints import unfit_endpoint, unfit_url
from fleetctl.config.report import Report, TreePath, choices, quoted
from fleetctl.config.scope import Scope
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.services import LivenessEntry
from fleetctl.model.liveness import Liveness, LivenessKind

KINDS: tuple[LivenessKind, ...] = get_args(LivenessKind)


def read_liveness(
    entry: LivenessEntry | None, scope: Scope, path: TreePath, report: Report
) -> Liveness | None:
    """What one instance is asked; ``None``: nothing, or a mistake was reported."""
    if entry is None:
        return None
    kinds = [k for k in KINDS if getattr(entry, k) is not UNSET or report.wrong(*path, k)]
    if not kinds:
        if not report.incomplete(path, LivenessEntry.__struct_fields__):
            what = f"liveness asks nothing; it takes exactly one of {choices(KINDS)}"
            report.mistake(path, what, key=True)
        return None
    values = [_value(kind, entry, scope, path, report) for kind in kinds]
    if len(kinds) > 1:
        what = f"liveness asks {len(kinds)} things ({choices(kinds)}); it takes exactly one"
        report.mistake((*path, kinds[1]), what, key=True)
    usual = Liveness(kinds[0], values[0])
    return Liveness(
        usual.kind,
        usual.value,
        given(entry.interval, usual.interval_s),
        given(entry.failures, usual.failures),
        given(entry.restart, usual.restart),
    )


def _value(
    kind: LivenessKind, entry: LivenessEntry, scope: Scope, path: TreePath, report: Report
) -> str:
    here = (*path, kind)
    written = getattr(entry, kind)
    if written is UNSET:
        return ""  # reported already
    if kind == "silence":
        return f"{written:g}"
    text = (scope.fill if kind == "command" else scope.fill_now)(written, here)
    if kind != "command" and not report.wrong(*here):
        must_be = unfit_url(text) if kind == "http" else unfit_endpoint(text)
        if must_be:
            report.mistake(here, f"liveness.{kind} is {quoted(text)}; it must be {must_be}")
    return text
