"""Steps per second and tokens per second in a line, with the unit that it says itself. Pure.

Forms beside those of :mod:`fleetctl.logs.steps`:

- the time of one step: Keras' ``42ms/step``, nanoGPT's ``iter 100: loss 2.1, time 250.12ms``,
  DeepSpeed's ``iter time (s): 0.186``, Megatron-LM's ``elapsed time per iteration (ms): 812.3``;
- fairseq's ``ups=0.5, wps=52922``: updates and words per second;
- inference: vLLM's ``Avg generation throughput: 29.2 tokens/s``, llama.cpp's ``eval time = … 25.23
  tokens per second`` and ``tg = 38.89 t/s``, MLX's ``Generation: 100 tokens, 31.5 tokens-per-sec``.
  How fast the prompt was read is no rate of the work, nor what was drafted of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

NUMBER = (
    r"(?P<value>(?<![0-9.,])[+-]?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
    r"|nan|[+-]?inf)"
)
IS = r"""["']?\s*[:=]?\s*["']?"""
_A_STEP = r"(?:iter|iteration|step|batch)"
_PER_S = re.compile(NUMBER + r"\s*(?:it|iter|iters|step|steps|batch)/s(?:ec)?\b", re.I)
_NAMED_PER_S = re.compile(
    r"\b(?:(?:it|iter|iters|steps?)(?:/s(?:ec)?|[_ ]per[_ ]sec(?:ond)?)|ups)\b" + IS + NUMBER, re.I
)
_TIME_OF_ONE = (
    re.compile(NUMBER + rf"\s*(?P<unit>s|ms|us)/(?:it|{_A_STEP})\b", re.I),
    re.compile(
        rf"\b(?:{_A_STEP} time|time per {_A_STEP}) \((?P<unit>s|ms)\)" + IS + NUMBER,
        re.I,
    ),
    re.compile(r"^\s*iter [0-9]+: loss .*\btime " + NUMBER + r"\s*(?P<unit>ms|s)\b"),
)
_PARTS = {"s": 1.0, "ms": 1e3, "us": 1e6}
_A_TOKEN = r"(?:tok|toks|tokens?)"
_PER_SECOND = r"(?:/s(?:ec)?|[\s_-]+per[\s_-]+sec(?:ond)?)\b"
_TOKENS = re.compile(NUMBER + rf"\s*(?:{_A_TOKEN}{_PER_SECOND}|t/s\b)", re.I)
_NAMED_TOKENS = re.compile(rf"\b(?:{_A_TOKEN}{_PER_SECOND}|tps\b|wps\b)" + IS + NUMBER, re.I)
_PART_OF_WORK = re.compile(
    r"(?P<other>\b(?:prompt(?: eval| processing)?|prefill|input|drafted|accepted)\b)"
    r"|\b(?:generation|generated|eval|decode|output)\b",
    re.I,
)


def number(text: str | None) -> float | None:
    """The number that ``text`` is, also as ``1,234.5``; None: it is none."""
    try:
        return None if text is None else float(text.replace(",", ""))
    except ValueError:
        return None


def rate(value: float | None) -> float | None:
    """``value``, if it can be a rate."""
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def steps_per_s(text: str) -> float | None:
    """The steps per second that ``text`` tells, or the time of one; None: it does not."""
    for pattern in (_PER_S, _NAMED_PER_S):
        for found in pattern.finditer(text):
            if (value := rate(number(found["value"]))) is not None:
                return value
    for pattern in _TIME_OF_ONE:
        for found in pattern.finditer(text):
            if took := rate(number(found["value"])):
                return _PARTS[found["unit"].lower()] / took
    return None


def tokens_per_s(text: str) -> float | None:
    """The tokens per second that ``text`` tells of what was generated, or trained on."""
    return next(_token_rates(text), None)


def _token_rates(text: str) -> Iterator[float]:
    for pattern in (_TOKENS, _NAMED_TOKENS):
        for found in pattern.finditer(text):
            value = rate(number(found["value"]))
            if value is not None and not _of_other_work(text[: found.start()]):
                yield value


def _of_other_work(before: str) -> bool:
    """Whether the last part of the work that ``before`` names is none that counts."""
    named = list(_PART_OF_WORK.finditer(before))
    return bool(named and named[-1]["other"])
