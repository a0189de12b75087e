"""``macmon pipe -s 1``: a JSON object per line, in the schemas before and since 0.8.0.

0.8.0 split ``ecpu_usage: [mhz, ratio]`` into ``ecpu_freq_mhz`` and ``ecpu_scaled_ratio``.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from fleetctl.probes.parsers import json_text
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed


class Macmon(Struct, frozen=True):
    """One sample; None: not in it."""

    cpu_celsius: float | None
    gpu_celsius: float | None
    ram_total_bytes: int | None
    ram_used_bytes: int | None
    ecpu_ratio: float | None
    pcpu_ratio: float | None
    gpu_ratio: float | None
    gpu_mhz: int | None
    system_watts: float | None


def parse_macmon(text: str) -> Macmon | Unparsed:
    """The last complete sample in ``text``."""
    samples = [
        value
        for value in json_text.json_values(text)
        if isinstance(value, dict) and ("temp" in value or "memory" in value)
    ]
    if not samples:
        return unparsed(text, "bad_json" if json_text.looks_like_json(text) else "unrecognised")
    sample = samples[-1]
    temperatures, memory = _inner(sample, "temp"), _inner(sample, "memory")
    gpu_mhz = json_text.decimal(sample.get("gpu_freq_mhz"))
    if gpu_mhz is None:
        gpu_mhz = _usage(sample, "gpu", 0)
    return Macmon(
        cpu_celsius=_celsius(temperatures.get("cpu_temp_avg")),
        gpu_celsius=_celsius(temperatures.get("gpu_temp_avg")),
        ram_total_bytes=json_text.integer(memory.get("ram_total")),
        ram_used_bytes=json_text.integer(memory.get("ram_usage")),
        ecpu_ratio=_ratio(sample, "ecpu"),
        pcpu_ratio=_ratio(sample, "pcpu"),
        gpu_ratio=_ratio(sample, "gpu"),
        gpu_mhz=None if gpu_mhz is None else round(gpu_mhz),
        system_watts=json_text.decimal(sample.get("sys_power")),
    )


def _inner(sample: dict[str, Any], key: str) -> dict[str, Any]:
    value = sample.get(key)
    return value if isinstance(value, dict) else {}


def _celsius(value: object) -> float | None:
    """None for 0, which a missing sensor reads."""
    found = json_text.decimal(value)
    return found if found is not None and found > 0 else None


def _usage(sample: dict[str, Any], unit: str, index: int) -> float | None:
    pair = sample.get(f"{unit}_usage")
    if not isinstance(pair, list) or len(pair) != 2:
        return None
    return json_text.decimal(pair[index])


def _ratio(sample: dict[str, Any], unit: str) -> float | None:
    found = json_text.decimal(sample.get(f"{unit}_scaled_ratio"))
    return _usage(sample, unit, 1) if found is None else found
