"""The output of ``fleetctl bench``: a row for each path, then what is wrong and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleetctl.bench.ladder import RUNGS
from fleetctl.cli.render import marked, plain, problem_lines, style
from fleetctl.marks import verdict
from fleetctl.model.bench import AllReduce, BenchPath, BenchReport, Echoes, Flow, PathResult
from fleetctl.quantities import bandwidth, count, rtt, size

_HEAD = ("PATH", "MEDIAN", "P99", "JITTER", "LOSS", "THERE", "BACK", "STANDS ON")
_WIDTHS = (8, 8, 8, 6, 11, 11)


def head_line(paths: Iterable[BenchPath]) -> str:
    """The heads of the columns."""
    return style(plain(_row(_HEAD, _wide(paths))), None, bold=True)


def result_lines(result: PathResult, paths: Iterable[BenchPath]) -> list[str]:
    """The row of a path, and below it why it stands on no higher rung."""
    echoes = result.echoes
    stands = RUNGS[result.stands_on] if result.stands_on else "nothing"
    cells = (
        result.path.label,
        *(_ms(ms) for ms in (echoes.median_ms, echoes.p99_ms, echoes.jitter_ms)),
        _loss(echoes),
        _width(result.there),
        _width(result.back),
        stands,
    )
    wrong = [rung.ok for rung in result.ladder if not rung.ok]
    ok = False if False in wrong else None if wrong else True
    lines = [f"{marked(verdict(ok))} {plain(_row(cells, _wide(paths))[2:])}"]
    if ok is not True:
        lines.append(plain(f"    {result.verdict}"))
    return lines


def report_lines(report: BenchReport) -> list[str]:
    """What follows the table."""
    lines = [
        f"not measured: {one.node} to {one.peer}"
        + (f" on {one.network}" if one.network else "")
        + f": {one.reason}"
        for one in report.left_out
    ]
    if one := report.all_reduce:
        lines.append(plain(f"{marked(verdict(one.ok))} {_reduced(one)}"))
    lines += report.notes
    said = "all is well" if report.ok else count(len(report.problems), "problem")
    parts = [report.fleet, count(len(report.paths), "path"), said, f"{report.duration_s:.0f} s"]
    if not report.complete:
        parts.insert(2, "interrupted")
    lines.append(style(plain(" · ".join(parts)), None, bold=True))
    return lines + problem_lines(report.problems, evidence=True)


def _reduced(one: AllReduce) -> str:
    """The all-reduce in one line."""
    what = f"all-reduce round {', '.join(one.nodes)}"
    if one.median_ms is None or one.mbit_s is None or one.bytes is None:
        return f"{what}: {one.reason or 'not tried'}"
    return f"{what}: {size(one.bytes)} in {rtt(one.median_ms)}, {bandwidth(one.mbit_s)} each"


def _wide(paths: Iterable[BenchPath]) -> int:
    return max(len(path.label) for path in paths) + 2


def _row(cells: Sequence[str], wide: int) -> str:
    first, *middle, last = cells
    columns = [cell.rjust(size) for cell, size in zip(middle, _WIDTHS, strict=True)]
    return "  ".join([f"  {first}".ljust(wide), *columns, last])


def _ms(value: float | None) -> str:
    if value is None:
        return "?"
    return rtt(value) if value < 1000 else f"{value:.0f}ms"


def _loss(echoes: Echoes) -> str:
    return "?" if echoes.loss_percent is None else f"{echoes.loss_percent:g}%"


def _width(flow: Flow) -> str:
    return "?" if flow.mbit_s is None else bandwidth(flow.mbit_s)
