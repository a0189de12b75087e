"""Reads ``ready`` of a service: the condition under which its instances count as ready."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

from msgspec import UNSET
from msgspec.structs import replace

from fleetctl.config.endpoints import unfit_endpoint, unfit_url
from fleetctl.config.report import Report, TreePath, choices, quoted
from fleetctl.config.scope import Scope
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.services import HttpEntry, ReadyEntry
from fleetctl.model.ready import Ready, ReadyKind

KINDS: tuple[ReadyKind, ...] = tuple(
    kind for kind in get_args(ReadyKind) if kind in ReadyEntry.__struct_fields__
)
"""Those that nodes.yaml may contain."""
FROM_OUTSIDE = frozenset({"http", "connect"})
"""Those that the controller can ask of a service that fleetctl did not start."""


def read_ready(
    entry: ReadyEntry | None, listen: bool, scope: Scope, path: TreePath, report: Report
) -> Ready:
    """The condition for one instance.

    :param listen: whether its service has a ``listen``.
    """
    kinds = written_kinds(entry, path, report)
    if entry is None or not kinds:
        return _timed("listening" if listen else "alive", "", entry)
    values = [_value(kind, entry, listen, scope, path, report) for kind in kinds]
    if len(kinds) > 1:
        what = f"ready has {len(kinds)} conditions ({choices(kinds)}); it takes exactly one"
        report.mistake((*path, kinds[1]), what, key=True)
    body = (
        _body(entry.http, scope, (*path, "http"), report)
        if isinstance(entry.http, HttpEntry)
        else ""
    )
    return replace(_timed(kinds[0], values[0], entry), body=body)


def written_kinds(entry: ReadyEntry | None, path: TreePath, report: Report) -> list[ReadyKind]:
    """The conditions in the file, right or wrong; more than one is a mistake."""
    return [
        kind
        for kind in KINDS
        if getattr(entry, kind, UNSET) is not UNSET or report.wrong(*path, kind)
    ]


def _value(
    kind: ReadyKind, entry: ReadyEntry, listen: bool, scope: Scope, path: TreePath, report: Report
) -> str:
    here = (*path, kind)
    written = getattr(entry, kind)
    if isinstance(written, HttpEntry):
        here, written = (*here, "url"), written.url
    if written is UNSET:
        return ""  # reported already
    if kind == "listening":
        if written is not True:
            report.mistake(here, "ready.listening can only be true; leave it out otherwise")
        elif not listen and not report.wrong(*path[:-1], "listen"):
            what = "ready.listening needs a listen beside it, such as 'listen: fabric:65432'"
            report.mistake(here, what)
        return ""
    if kind == "delay":
        return f"{written:g}"
    text = (scope.fill if kind == "command" else scope.fill_now)(written, here)
    if not report.wrong(*here):
        for why in _unfit(kind, text):
            report.mistake(here, why)
    return text


def _body(entry: HttpEntry, scope: Scope, path: TreePath, report: Report) -> str:
    text = scope.fill_now(given(entry.body, ""), (*path, "body"))
    if text and (why := _no_expression(text)):
        what = f"ready.http.body is {quoted(text)}, which is no regular expression: {why}"
        report.mistake((*path, "body"), what)
    return text


def _no_expression(text: str) -> str:
    """Why ``text`` is no regular expression; empty: it is one."""
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        return str(error)
    return ""


def _timed(kind: ReadyKind, value: str, entry: ReadyEntry | None) -> Ready:
    plain = Ready(kind, value)
    if entry is None:
        return plain
    return Ready(
        kind, value, given(entry.timeout, plain.timeout_s), given(entry.interval, plain.interval_s)
    )


def _unfit(kind: ReadyKind, text: str) -> Iterator[str]:
    if kind == "log":
        if why := _no_expression(text):
            yield f"ready.log is {quoted(text)}, which is no regular expression: {why}"
    elif kind == "http":
        if must_be := unfit_url(text):
            yield f"ready.http is {quoted(text)}; it must be {must_be}"
    elif kind == "connect" and (must_be := unfit_endpoint(text)):
        yield f"ready.connect is {quoted(text)}; it must be {must_be}"
