"""The output of ``fleetctl bench``: a row for each path, then what is wrong and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleetctl.cli.render import marked, plain, problem_lines, style
from fleetctl.marks import verdict
from fleetctl.model.bench import BenchPath, BenchReport, PathResult
from fleetctl.quantities import count
from fleetctl.words.bench import HEAD, besides, cells, holds, reduced

_WIDTHS = (8, 8, 8, 6, 11, 11)
"""Of the columns between the first and the last: rows are printed before all are known."""


def head_line(paths: Iterable[BenchPath]) -> str:
    """The heads of the columns."""
    return style(plain(f"  {_row(HEAD, paths)}"), None, bold=True)


def result_lines(result: PathResult, paths: Iterable[BenchPath]) -> list[str]:
    """The row of a path, and below it why it stands on no higher rung."""
    ok = holds(result)
    lines = [f"{marked(verdict(ok))} {plain(_row(cells(result), paths))}"]
    return lines if ok else [*lines, plain(f"    {result.verdict}")]


def report_lines(report: BenchReport) -> list[str]:
    """What follows the table."""
    lines = list(besides(report))
    if one := report.all_reduce:
        lines.insert(0, f"{marked(verdict(one.ok))} {reduced(one)}")
    said = "all is well" if report.ok else count(len(report.problems), "problem")
    parts = [report.fleet, count(len(report.paths), "path"), said, f"{report.duration_s:.0f} s"]
    if not report.complete:
        parts.insert(2, "interrupted")
    lines.append(style(plain(" · ".join(parts)), None, bold=True))
    return lines + problem_lines(report.problems, evidence=True)


def _row(row: Sequence[str], paths: Iterable[BenchPath]) -> str:
    wide = max(len(path.label) for path in paths)
    first, *middle, last = row
    columns = [cell.rjust(chars) for cell, chars in zip(middle, _WIDTHS, strict=True)]
    return "  ".join([first.ljust(wide), *columns, last])
