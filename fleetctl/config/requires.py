"""Reads the programs that a job requires on its nodes."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.config.report import Report
from fleetctl.config.shape.jobs import JobEntry
from fleetctl.model.requirements import Requirement, read_requirement


def read_requires(job: str, entry: JobEntry, report: Report) -> tuple[Requirement, ...]:
    """The ``requires`` of ``job``, each once; mistakes go into ``report``."""
    return tuple(dict.fromkeys(_read(job, entry, report)))


def _read(job: str, entry: JobEntry, report: Report) -> Iterator[Requirement]:
    for index, text in enumerate(entry.requires or []):
        if (found := read_requirement(text)) is not None:
            yield found
        elif text:  # else reported already
            what = (
                f"{text!r} in requires of job {job!r} is no program, with a version or without: "
                "uv, or python3>=3.11 (>=, >, ==, <=, <, and numbers with dots)"
            )
            report.mistake(("jobs", job, "requires", index), what)
