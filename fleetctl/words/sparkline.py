"""A row of small bars."""

from __future__ import annotations

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int, full: float | None = None) -> str:
    """The last ``width`` values as bars from zero to ``full``; a gap where none was measured.

    :param full: by default the largest of them.
    """
    shown = values[-width:]
    top = full or max((v for v in shown if v is not None), default=0.0)
    if top <= 0:
        return " " * len(shown)
    return "".join(" " if v is None else _BARS[min(7, int(7 * v / top + 0.5))] for v in shown)
