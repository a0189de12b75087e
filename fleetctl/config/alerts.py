"""Reads ``alerts`` of nodes.yaml: whom to tell of what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import time

from msgspec import UnsetType

from fleetctl.config.report import Report, TreePath, nearest, quoted
from fleetctl.config.shape.alerts import AlertCommandEntry, AlertEntry
from fleetctl.config.shape.entry import given
from fleetctl.model.alerts import (
    DEFAULT_FOR_S,
    AlertRule,
    Command,
    Desktop,
    Destination,
    Quiet,
    Url,
)
from fleetctl.model.jobs import Job
from fleetctl.model.targets import unknown_targets
from fleetctl.model.topology import Fleet
from fleetctl.patterns import pattern

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LOOKS_LIKE_URL = pattern(r"[A-Za-z][A-Za-z0-9+.-]*://\S+|\$\{\w+\}")
_DESKTOP = "desktop"
Locate = Callable[[str], str]


def read_alerts(
    entries: Sequence[AlertEntry], fleet: Fleet, locate: Locate, report: Report
) -> tuple[AlertRule, ...]:
    """The rules; mistakes go into ``report``.

    :param fleet: with its jobs.
    :param locate: makes the absolute path of one that is relative to nodes.yaml.
    """
    rules: list[AlertRule] = []
    for index, entry in enumerate(entries):
        path: TreePath = ("alerts", index)
        name = given(entry.name, str(index + 1))
        if any(rule.name == name for rule in rules):
            report.mistake((*path, "name"), f"another entry of alerts is called {quoted(name)}")
        rules.append(_rule(name, entry, fleet, locate, path, report))
    return tuple(rules)


def _rule(
    name: str, entry: AlertEntry, fleet: Fleet, locate: Locate, path: TreePath, report: Report
) -> AlertRule:
    for key, written in (("on", entry.on), ("to", entry.to)):
        if written == [] and not report.wrong(*path, key):
            report.mistake((*path, key), f"{key} of an entry of alerts is empty")
    quiet = given(entry.quiet, None)
    env_file = given(entry.env_file, None)
    _check_filters(entry, fleet, path, report)
    return AlertRule(
        name,
        tuple(dict.fromkeys([entry.on] if isinstance(entry.on, str) else entry.on)),
        tuple(_destinations(entry, (*path, "to"), report)),
        locate("."),
        _seconds(entry.wait),
        _quiet(quiet, (*path, "quiet"), report) if quiet else None,
        locate(env_file) if env_file else None,
        tuple(entry.jobs or ()),
        tuple(entry.targets or ()),
    )


def _destinations(entry: AlertEntry, path: TreePath, report: Report) -> Iterator[Destination]:
    to = entry.to if isinstance(entry.to, list) else [entry.to]
    for index, written in enumerate(to):
        here = (*path, index) if isinstance(entry.to, list) else path
        if isinstance(written, AlertCommandEntry):
            words = written.command
            if words == [] and not report.wrong(*here):
                report.mistake((*here, "command"), "command is empty; it must be a program")
            yield Command((words,) if isinstance(words, str) else tuple(words))
        elif written == _DESKTOP:
            yield Desktop()
        elif _LOOKS_LIKE_URL.fullmatch(written):
            url = Url(written)
            _check_url(url, entry, here, report)
            yield url
        elif written:
            what = (
                f"{quoted(written)} is neither {_DESKTOP} nor a URL such as ntfy://topic; "
                "a command is written {command: LINE}"
            )
            report.mistake(here, what)


def _check_url(url: Url, entry: AlertEntry, path: TreePath, report: Report) -> None:
    if url.variables and not given(entry.env_file, None):
        if not report.wrong(*path[:2], "env_file"):
            named = "${" + url.variables[0] + "}"
            what = f"{named} comes from an env_file, and this entry of alerts names none"
            report.mistake(path, what)
    elif url.has_secret:
        report.warning(
            path,
            "this URL seems to hold a secret, which everybody can read who reads nodes.yaml; "
            "write ${NAME} in its place, and NAME=… into an env_file",
        )


def _check_filters(entry: AlertEntry, fleet: Fleet, path: TreePath, report: Report) -> None:
    for index, job in enumerate(entry.jobs or ()):
        if job and job not in fleet.jobs:
            what = f"there is no job {quoted(job)}{nearest(job, fleet.jobs)}"
            report.mistake((*path, "jobs", index), what)
    for index, target in enumerate(entry.targets or ()):
        jobs: list[Job | None] = [*fleet.jobs.values()] or [None]
        if target and all(unknown_targets(fleet, job, [target]) for job in jobs):
            what = f"{quoted(target)} is no node, service or instance{nearest(target, fleet.nodes)}"
            report.mistake((*path, "targets", index), what)


def _seconds(written: float | str | UnsetType) -> float:
    """Of a number, or of a text that the shape has checked."""
    if isinstance(written, str):
        return float(int(written[:-1]) * _UNITS[written[-1]])
    return given(written, DEFAULT_FOR_S)


def _quiet(text: str, path: TreePath, report: Report) -> Quiet | None:
    begin, _, end = text.partition("-")
    found = [_clock(begin), _clock(end)]
    if found[0] is None or found[1] is None or found[0] == found[1]:
        if not report.wrong(*path):
            what = f"quiet is {quoted(text)}; it must be two times of a day, such as 22:00-07:00"
            report.mistake(path, what)
        return None
    return Quiet(found[0], found[1])


def _clock(text: str) -> time | None:
    hours, _, minutes = text.partition(":")
    try:
        return time(int(hours), int(minutes))
    except ValueError:
        return None
