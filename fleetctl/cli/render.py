"""Rendering for a terminal: colours, marks, tables, the lines of a status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from shutil import get_terminal_size

import click

from fleetctl.marks import Mark, Tone, mark
from fleetctl.model.status import FleetStatus, Problem, ServiceStatus
from fleetctl.quantities import count, duration
from fleetctl.words.afterwards import postmortem_commands
from fleetctl.words.ascii_text import in_ascii
from fleetctl.words.jobs import job_parts
from fleetctl.words.problems import groups, nodes_of
from fleetctl.words.system import disk_free, load, memory, uptime

_COLOURS: Mapping[Tone, str | None] = {
    "good": "green",
    "bad": "red",
    "doubt": "yellow",
    "busy": "cyan",
    "quiet": None,
}
_PREFIX_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_magenta")


def colour_wanted(err: bool = False) -> bool:
    """Whether the stream is a terminal and NO_COLOR (no-color.org) is not set."""
    stream = sys.stderr if err else sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR")


def style(text: str, colour: str | None, *, bold: bool = False, err: bool = False) -> str:
    if not colour_wanted(err) or not (colour or bold):
        return text
    return click.style(text, fg=colour, bold=bold or None)


def plain(text: str, err: bool = False) -> str:
    """``text``, in ASCII where the stream's encoding lacks something of it."""
    stream = sys.stderr if err else sys.stdout
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return in_ascii(text)
    return text


def marked(what: Mark, *, err: bool = False) -> str:
    """A mark in its colour."""
    return style(plain(what.symbol, err), _COLOURS[what.tone], err=err)


def state(word: str, *, err: bool = False) -> str:
    """A state with its mark."""
    what = mark(word)
    return style(plain(f"{what.symbol} {word}", err), _COLOURS[what.tone], err=err)


def width() -> int:
    return get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 10_000


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Aligned columns; the codes of styled cells do not count as width."""
    lines = [[style(cell, None, bold=True) for cell in head], *rows]
    widths = [max(_seen(line[i]) for line in lines) for i in range(len(head))]
    return [cut("  ".join(map(_padded, line, widths)).rstrip()) for line in lines]


def _seen(cell: str) -> int:
    return len(click.unstyle(cell))


def _padded(cell: str, wide: int) -> str:
    return cell + " " * (wide - _seen(cell))


def cut(line: str) -> str:
    """The line, cut with an ellipsis at the width of the terminal."""
    wide = width()
    if _seen(line) <= wide:
        return line
    return click.unstyle(line)[: wide - 1] + plain("…")


def status_lines(status: FleetStatus) -> list[str]:
    """The whole table of ``fleetctl status``."""
    return [
        _headline(status),
        "",
        *_node_table(status),
        *(["", *_service_table(status.services, status.generated_at)] if status.services else []),
        *_web_table(status),
        *_jobs(status),
        *(["", *problem_lines(status.problems)] if status.problems else []),
        *_afterwards(status),
    ]


def _afterwards(status: FleetStatus) -> list[str]:
    lines = [f"what ended first, and why: {command}" for command in postmortem_commands(status)]
    return ["", *lines] if lines else []


def _headline(status: FleetStatus) -> str:
    reached, nodes = status.reached
    jobs = () if status.job else status.jobs.values()
    others = [service for job in jobs for service in job.services.values()]
    done = status.done + sum(service.done for service in others)
    ready = status.ready + sum(job.counts.get("ready", 0) for job in jobs)
    services = len(status.services) + len(others)
    parts = [
        status.fleet + (f"/{status.job}" if status.job else ""),
        f"{reached}/{nodes} nodes",
        *([f"{ready}/{services - done} ready"] if services > done else []),
        *([f"{done} done"] if done else []),
        *([] if services else ["no services"]),
        count(len(status.problems), "problem"),
        status.generated_at.astimezone().strftime("%H:%M:%S"),
    ]
    return style(plain(" · ".join(parts)), None, bold=True)


def _node_table(status: FleetStatus) -> list[str]:
    rows = [
        (
            name,
            state(node.state),
            _ms(node.ssh.connect_ms) + (f" via {node.ssh.via}" if node.ssh.via else ""),
            *(figure(node.system) for figure in (load, memory, disk_free, uptime)),
            ", ".join(s.partition("@")[0] for s in node.services) or "-",
        )
        for name, node in status.nodes.items()
    ]
    head = ("NODE", "STATE", "SSH", "LOAD", "MEM", "DISK", "UP", "SERVICES")
    return table(head, rows)


def _jobs(status: FleetStatus) -> list[str]:
    """The other jobs, a line each; all jobs, each as a whole, if none is chosen."""
    if not status.jobs:
        return []
    words = {
        name: ", ".join(
            f"{marked(mark(state))} {words}"
            for state, words in job_parts(job) or (("stopped", "no services"),)
        )
        for name, job in status.jobs.items()
    }
    if status.job:
        return ["", *table(("OTHER JOB", "INSTANCES"), list(words.items()))]
    lines = []
    for name, job in status.jobs.items():
        lines += ["", style(f"job {name}", None, bold=True) + f": {words[name]}"]
        lines += _service_table(job.services, status.generated_at) if job.services else []
    return lines


def _service_table(services: Mapping[str, ServiceStatus], now: datetime) -> list[str]:
    return table(
        ("INSTANCE", "STATE", "SINCE", "PID", "RESTARTS", "DETAIL"),
        [
            (
                name,
                state(service.word),
                duration(max(0.0, (now - since).total_seconds()))
                if (since := service.ended_at or service.started_at)
                else "-",
                str(service.pid or "-"),
                str(service.restarts),
                _detail(service),
            )
            for name, service in services.items()
        ],
    )


def _web_table(status: FleetStatus) -> list[str]:
    """The web pages, and what shows them here; those of all jobs, if none is chosen."""
    jobs = {"": status.services} if status.job else {n: j.services for n, j in status.jobs.items()}
    rows = [
        (
            f"{job}/{name}" if job else name,
            page.url or f"port {page.port} {'is not known' if page.up is None else 'is silent'}",
            f"fleetctl {f'--job {job} ' if job else ''}open {name}",
        )
        for job, services in jobs.items()
        for name, service in services.items()
        for page in service.web
    ]
    return ["", *table(("WEB PAGE", "ON ITS NODE", "SEEN HERE BY"), rows)] if rows else []


def _detail(service: ServiceStatus) -> str:
    detail = service.reason or ""
    if not detail and service.state == "ready" and service.listening:
        detail = f"listens on {', '.join(service.listening)}"
    added = f"started with {service.arguments}" if service.arguments else ""
    return "; ".join(filter(None, (detail, added)))


def problem_lines(
    problems: Iterable[Problem], *, evidence: bool = False, err: bool = False
) -> list[str]:
    """The lines of each problem: what is wrong, what it affects, what repairs it.

    The same cause on many nodes stands together under one line.

    :param evidence: also what shows it.
    :param err: the lines are for stderr.
    """
    lines = []
    for group in groups(tuple(problems)):
        first = group[0]
        styled = marked(mark(first.severity), err=err)
        inset = ""
        if len(group) > 1:
            lines.append(f"{styled} {first.code} on {', '.join(nodes_of(group))}:")
            inset = "    "
        for problem in group:
            head = inset if inset else f"{styled} {problem.code}: "
            lines.append(f"{head}{problem.summary}")
            if problem.affects:
                lines.append(f"{inset}    affects {', '.join(problem.affects)}")
            if evidence and problem.evidence:
                lines.append(f"{inset}    shown by {problem.evidence}")
            if problem.fix:
                commands = problem.fix.commands
                lines += [f"{inset}    {plain('→', err)} {command}" for command in commands]
    return lines


def prefixes(names: Sequence[str], *, err: bool = False) -> dict[str, str]:
    """A coloured, aligned prefix for the lines of each instance or node."""
    wide = max(map(len, names), default=0)
    return {
        name: style(name.ljust(wide), _PREFIX_COLOURS[i % len(_PREFIX_COLOURS)], err=err) + " | "
        for i, name in enumerate(names)
    }


def moment(epoch_s: float | None) -> str:
    """A log line's local time; question marks of the same width when it is not known."""
    if epoch_s is None:
        return "????-??-?? ??:??:??"
    return datetime.fromtimestamp(epoch_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}ms"
