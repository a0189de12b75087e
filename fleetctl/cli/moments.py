"""Times on the command line: ages such as 2d, and dates."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGE = re.compile(r"(\d{1,9}(?:\.\d+)?)([smhdw]?)")
AGES = "90s, 10m, 2h or 1d"


def _age_s(text: str) -> float | None:
    found = _AGE.fullmatch(text.strip())
    return float(found[1]) * _UNITS[found[2] or "s"] if found else None


class Age(click.ParamType[float]):
    """``90``, ``90s``, ``10m``, ``2h`` or ``1d``, as seconds."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = _age_s(str(value))
        if found is None:
            self.fail(f"{value!r} is not an age such as {AGES}", param, ctx)
        return found


class When(click.ParamType[datetime]):
    """An age, as the time so long ago; or a time of today (``14:30``), or a date, with a time or
    without, which is of this machine's zone where it names none: ``2026-11-01T12:00``."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        try:
            age_s = _age_s(text)
            if age_s is not None:
                return datetime.now(UTC) - timedelta(seconds=age_s)
            if re.fullmatch(r"\d?\d:\d\d(:\d\d)?", text):
                text = f"{datetime.now().astimezone():%Y-%m-%d}T{text.zfill(5)}"
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{value!r} is neither an age such as {AGES} nor a time such as 14:30 or "
                "2026-11-01T12:00",
                param,
                ctx,
            )
