"""What a dashboard has measured since it was opened, where nothing is kept on this machine."""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Collection, Iterable, Mapping

from fleetctl.model.samples import Point, Sample, Series, SeriesKind

LOSS = "loss_percent"
STEP_S = 10.0
"""From one look that counts to the next, in seconds."""
LOOKS = 720
"""So many looks are held, the newest: two hours."""
MOST_SERIES = 10_000
"""Further ones are not held: with all looks these are 30 MB."""


class Memory:
    """Samples of the newest looks."""

    def __init__(self, looks: int = LOOKS, most_series: int = MOST_SERIES) -> None:
        self._numbers: dict[Series, int] = {}
        self._looks: deque[tuple[float, array[float]]] = deque(maxlen=looks)
        self._most = most_series

    @property
    def since_s(self) -> float | None:
        """When the oldest look was that is held, in seconds since 1970."""
        return self._looks[0][0] if self._looks else None

    def due(self, at_s: float) -> bool:
        """Whether a look at that time would be held."""
        last_s = self._looks[-1][0] if self._looks else -math.inf
        return not last_s <= at_s < last_s + STEP_S  # a clock may be set back

    def take(self, at_s: float, samples: Iterable[Sample]) -> None:
        """Hold the samples of a look."""
        numbers = self._numbers
        values = array("f", [math.nan]) * len(numbers)
        for sample in samples:
            number = numbers.get(sample.series)
            if number is None:
                if len(numbers) >= self._most:
                    continue
                number = numbers[sample.series] = len(numbers)
                values.append(math.nan)
            values[number] = sample.value
        self._looks.append((at_s, values))

    def add(self, samples: Iterable[Sample]) -> None:
        """Take what was measured since the newest look that is held: that has the worst loss."""
        values = self._looks[-1][1]
        for sample in samples:
            number = self._numbers.get(sample.series)
            if sample.series.metric == LOSS and number is not None and number < len(values):
                values[number] = max(sample.value, values[number])  # also if that is not known

    def points(
        self, since_s: float, until_s: float, wanted: Mapping[SeriesKind, Collection[str]]
    ) -> dict[Series, list[Point]]:
        """What is held of a stretch of time, oldest first.

        :param wanted: by kind, the metrics.
        """
        chosen = [
            (series, number)
            for series, number in tuple(self._numbers.items())
            if series.metric in wanted.get(series.kind, ())
        ]
        found: dict[Series, list[Point]] = {}
        for at_s, values in tuple(self._looks):
            if not since_s - STEP_S < at_s <= until_s:
                continue
            for series, number in chosen:
                if number < len(values) and not math.isnan(value := values[number]):
                    point = Point(at_s, STEP_S, 1, value, value, value)
                    found.setdefault(series, []).append(point)
        return found
