"""Times on the command line: an age, or a moment."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class When(click.ParamType[datetime]):
    """``90s``, ``10m``, ``2h``, ``1d``, ``3w`` ago, or a local time: ``14:30``,
    ``2026-11-29T14:30``; an aware UTC time."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        text = str(value).strip()
        try:
            if age := re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text):
                seconds = float(age[1]) * _UNITS[age[2] or "s"]
                return datetime.now(UTC) - timedelta(seconds=seconds)
            if re.fullmatch(r"\d?\d:\d\d(:\d\d)?", text):
                text = f"{datetime.now().astimezone():%Y-%m-%d}T{text.zfill(5)}"
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither an age such as 90s, 10m, 2h or 1d nor a time such as 14:30 "
                "or 2026-11-29T14:30",
                param,
                ctx,
            )
