"""What the API has seen, for Prometheus (text format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Counters:
    def __init__(self) -> None:
        self._writing = 0
        self._characters = 0
        self._waits = 0
        self._ends: Counter[str] = Counter()
        self._ranks_s: dict[int, float] = {}
        self._hops_s: dict[int, float] = {}

    @contextmanager
    def story(self) -> Iterator[None]:
        """While a story is being written."""
        self._writing += 1
        before = sum(self._ends.values())
        try:
            yield
        finally:
            self._writing -= 1
            if sum(self._ends.values()) == before:
                self._ends["left"] += 1

    def count(self, event: Mapping[str, Any]) -> None:
        """Count an event of a story; see coordinator.py."""
        if "end" in event:
            self._ends[str(event["end"])] += 1
        elif "waiting" in event:
            self._waits += 1
        else:
            self._characters += 1
            for first, spent, new in (
                (0, self._ranks_s, event.get("ranks_ms", ())),
                (1, self._hops_s, event.get("hops_ms", ())),
            ):
                for rank, milliseconds in enumerate(new, first):
                    spent[rank] = spent.get(rank, 0.0) + milliseconds / 1000

    def text(self) -> str:
        lines: list[str] = []

        def metric(name: str, kind: str, meaning: str, values: Mapping[str, float]) -> None:
            lines.extend((f"# HELP pipeline_{name} {meaning}", f"# TYPE pipeline_{name} {kind}"))
            lines.extend(
                f"pipeline_{name}{labels} {value:.10g}" for labels, value in values.items()
            )

        metric("writing", "gauge", "Stories that are being written.", {"": self._writing})
        metric("characters_total", "counter", "Characters written.", {"": self._characters})
        metric("waits_total", "counter", "Times that a rank did not work.", {"": self._waits})
        ends = {f'{{end="{end}"}}': count for end, count in sorted(self._ends.items())}
        metric("stories_total", "counter", "Stories that ended, by how.", ends)
        for name, meaning, spent in (
            ("compute_seconds_total", "Time that each rank computed.", self._ranks_s),
            ("hop_seconds_total", "Time from rank 0 to each rank and back.", self._hops_s),
        ):
            metric(name, "counter", meaning, {f'{{rank="{r}"}}': s for r, s in spent.items()})
        return "\n".join(lines) + "\n"
