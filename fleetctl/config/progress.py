"""Reads ``progress`` of a service: how its steps are found in what it prints."""

from __future__ import annotations

import re

from fleetctl.config.report import Report, TreePath, quoted
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.services import ProgressEntry
from fleetctl.model.steps import StepForms


def read_progress(entry: ProgressEntry | None, path: TreePath, report: Report) -> StepForms | None:
    """Its expressions; ``None``: the usual forms are looked for."""
    if entry is None:
        return None
    forms = {key: given(getattr(entry, key), None) for key in ProgressEntry.__struct_fields__}
    if not any(forms.values()) and not report.incomplete(path, ProgressEntry.__struct_fields__):
        keys = "step, loss, rate, epoch and requests"
        what = f"progress has no expression; it takes {keys}, or leave it out"
        report.mistake(path, what, key=True)
    for key, text in forms.items():
        if text is None:
            continue
        why = _unfit(text)
        if why:
            what = f"progress.{key} is {quoted(text)}, which {why}"
            report.mistake((*path, key), what)
    return StepForms(**forms)


def _unfit(text: str) -> str:
    """Why ``text`` gives no number; empty: it may."""
    try:
        compiled = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}"
    if compiled.groups == 0:
        return r"has no group for the number, such as 'step (\d+)'"
    return ""
