"""Steps, loss and rate in the lines that a training or an inference prints. Pure.

The usual forms, each from what the program prints:

- ``step 130 loss 2.053`` and its kin, with a name for the number (step, iter, iteration) and, in
  the same line, a loss or a rate: the shipped example, nanoGPT, Megatron-LM, torchtitan, MLX
  (``Iter 10: Train loss 2.531, …, It/sec 0.531, Tokens/sec 251.2``);
- a bar of tqdm: ``38%|███▊      | 38/100 [00:10<00:16,  3.85it/s, loss=2.05]``; Lightning's, whose
  steps begin anew in each epoch: ``Epoch 3:  38%|…``, ``Epoch 3/9 ━━━ 38/100 0:00:10 • 0:00:16
  3.85it/s``;
- the bar of Keras, which redraws itself by backspaces, and its line without a bar, each after a
  line ``Epoch 3/10``: ``12/469 [>...] - ETA: 5s - loss: 0.51``, ``12/469 ━━━ 5s 3ms/step - loss:
  0.51``. Its steps begin anew in each epoch, and are counted so: the epoch's line is far above;
- PyTorch's examples, the first of which counts samples: ``Train Epoch: 1 [640/60000 (1%)]\tLoss:
  2.1``, ``Epoch: [0][ 10/5005]\tTime 0.5 ( 0.7)\t…\tLoss 6.9 (7.0)``;
- fairseq: ``epoch 001:  450 / 1891 loss=11.521, …, ups=0.5, …, num_updates=445``; DeepSpeed:
  ``steps: 10 loss: 5.2 iter time (s): 0.186``, ``step=40, skipped=2, lr=[…]``;
- the dict of Hugging Face's Trainer, beside its bar: ``{'loss': 2.05, 'epoch': 0.38}``;
- ``25.1 tok/s``, ``tokens/sec: 25.1``, ``tps: 7,282``, and other rates
  (:mod:`fleetctl.logs.rates`);
- requests that a server answered (:mod:`fleetctl.logs.requests`).
"""

from __future__ import annotations

import math
import re

from msgspec import Struct

from fleetctl.logs.matching import PATIENCE_S, Pattern
from fleetctl.logs.rates import IS, NUMBER, number, rate, steps_per_s, tokens_per_s
from fleetctl.logs.requests import is_request, requests_per_s
from fleetctl.model.steps import StepForms

LONGEST_LINE = 1000
"""Characters of a line that are looked at, its last ones."""
_STEP = re.compile(
    r"(?<![A-Za-z])(?<!micro_)(?:(?:global[_ ]?)?(?:step|iteration|iter)s?|num_updates)\b"
    + IS
    + r"\[?\s*"
    r"(?P<value>[0-9][0-9,]{0,17})(?![0-9.]*(?:s|ms|it)\b)(?!\.[0-9])",
    re.I,
)
_LOSS = re.compile(r"(?<![A-Za-z])loss" + IS + NUMBER + r"(?![%\w])", re.I)
_NOT_TRAINED = re.compile(r"(?:\b|_)(?:val|valid|validation|eval|test|dev|packet)[_ /.-]*$", re.I)
"""Before ``loss``: it is not that of the training."""
_EPOCH = re.compile(r"\bepoch" + IS + r"\[?" + NUMBER, re.I)
_COUNTS = re.compile(r"\bstep=[0-9]+, skipped=|\bglobal_step=[0-9]+, RunningAvgSamplesPerSec=")
"""DeepSpeed's lines that count steps, and have neither loss nor rate."""
_BAR = re.compile(
    r"(?P<what>.*?)(?:[0-9]{1,3}%\s*\|[^|]*\|\s*)?(?<![0-9.])(?P<step>[0-9]{1,15})"
    r"(?:/(?P<of>[0-9]{1,15})|it) \[[0-9:?]+(?:<[0-9:?]+)?,\s+[^\s,\]]+(?:it|step|steps|batch)?/s?"
)
"""tqdm's ``bar_format``: description, percentage, bar, and ``n/total [elapsed<remaining, rate``."""
_RICH_BAR = re.compile(
    r"(?P<what>Epoch [0-9]+(?:/[0-9]+)?)\s+[^0-9A-Za-z]+\s(?P<step>[0-9]{1,15})/(?P<of>[0-9]{1,15})"
    r"\s+[0-9:]+ \S+ [0-9:-]+"
)
_KERAS = re.compile(
    r"\s*(?P<step>[0-9]{1,15})/(?:[0-9]{1,15}|Unknown) +(?:\[[=>.]+\] |[━ ]+ )?(?:- +)?"
    r"(?:ETA: [0-9:]+s?|[0-9]+s)(?: -)?(?: [0-9.]+(?:us|ms|s)/step)?(?= - |\s*$)"
)
"""Keras' ``Progbar``, of versions 2 and 3."""
_KERAS_EPOCH = re.compile(r"\s*Epoch (?P<epoch>[0-9]{1,9})/[0-9]{1,9}\s*")
_SAMPLES = re.compile(
    r".{0,100}?\bEpoch:? *(?P<epoch>[0-9]{1,9}),? *\[ *(?P<step>[0-9]{1,15})/(?P<of>[0-9]{1,15})"
    r" \( *[0-9.]+%\)\]",
    re.I,
)
_BATCHES = re.compile(
    r".{0,100}?\bEpoch: \[(?P<epoch>[0-9]{1,9})\]\[ *(?P<step>[0-9]{1,15})/ *(?P<of>[0-9]{1,15})\]"
)
_BAR_RATE = re.compile(r",\s+(?:[0-9.]+|\?)(?:(?:it|step|steps|batch)/s|s/(?:it|step|batch))")
_VALID = re.compile(r"\bvalid on\b")
"""fairseq's words for a validation, before its loss."""
_OTHER_WORK = re.compile(
    r"\b(?:loading|downloading|fetching|map|filter|generating|tokeniz\w*|valid\w*|eval\w*|test\w*|"
    r"sanity|predict\w*|saving|uploading)\b",
    re.I,
)
"""In the description of a bar: it does not count steps of the training."""
_IN_EPOCH = re.compile(r"Epoch (?P<epoch>[0-9]{1,9})", re.I)
_COLOUR = re.compile(r"[\x1b?]\[[0-9;:?]*[A-Za-z]")
"""A control sequence, whose ESC is a question mark in what a look brings."""


class Said(Struct, frozen=True):
    """The numbers of one line. ``None``: it does not tell."""

    step: int | None = None
    loss: float | None = None
    steps_per_s: float | None = None
    tokens_per_s: float | None = None
    epoch: float | None = None
    requests: int | None = None
    """So far, by an expression for that."""
    request: bool = False
    """The line is about one request that was answered."""
    requests_per_s: float | None = None


class LineReader:
    """Reads lines of one instance, by its own expressions or in the usual forms.

    :raises UsageError: an expression is none.
    """

    def __init__(self, forms: StepForms | None) -> None:
        own = {} if forms is None else {f: getattr(forms, f) for f in forms.__struct_fields__}
        self._own = None if forms is None else {k: Pattern(v) for k, v in own.items() if v}

    @property
    def why(self) -> str:
        """Why a number is not known; empty: each expression could be tried."""
        slow = [name for name, pattern in (self._own or {}).items() if pattern.gave_up]
        if not slow:
            return ""
        return (
            f"progress.{slow[0]} takes more than {PATIENCE_S:g} s on one line: repeat nothing that "
            "is a repetition itself, as in (a|aa)+"
        )

    def read(self, line: str, *, ended: bool = True) -> Said:
        """The numbers in ``line``.

        :param ended: its end is there; else more of it may be to come, and only a bar is read that
            is complete.
        """
        text = _COLOUR.sub("", line).rstrip("?\b")[-LONGEST_LINE:]
        if not ended and (self._own is not None or not text.rstrip().endswith("]")):
            return Said()
        if self._own is None:
            return _usual(text)
        numbers = {name: number(pattern.group(text)) for name, pattern in self._own.items()}
        return Said(
            step=_whole(numbers.get("step")),
            loss=numbers.get("loss"),
            steps_per_s=rate(numbers.get("rate")),
            epoch=numbers.get("epoch"),
            requests=_whole(numbers.get("requests")),
        )


def _whole(value: float | None) -> int | None:
    return None if value is None or not math.isfinite(value) else int(value)


def _found(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return number(found["value"]) if found else None


def _loss(text: str) -> float | None:
    """That of the training; ``loss`` alone is meant rather than ``avg_loss``."""
    usable = [
        found
        for found in _LOSS.finditer(text)
        if not _NOT_TRAINED.search(text[max(0, found.start() - 20) : found.start()])
    ]
    plain = (found for found in usable if text[found.start() - 1 : found.start()] != "_")
    best = next(plain, usable[0] if usable else None)
    return number(best["value"]) if best else None


def _usual(text: str) -> Said:
    if is_request(text):
        return Said(request=True)
    bar = _BAR.match(text) or _RICH_BAR.match(text)
    if bar:
        return _of_bar(bar, text)
    if keras := _KERAS.match(text):  # a prediction has no loss
        loss = _loss(text)
        return Said() if loss is None else Said(int(keras["step"]), loss, steps_per_s(text))
    if new := _KERAS_EPOCH.fullmatch(text):
        return Said(epoch=int(new["epoch"]))
    loss, per_s, tokens = _loss(text), steps_per_s(text), tokens_per_s(text)
    requests = requests_per_s(text)
    if _VALID.search(text) or not (
        _COUNTS.search(text) or loss is not None or per_s is not None or tokens is not None
    ):
        return Said(requests_per_s=requests)
    if part := _SAMPLES.match(text) or _BATCHES.match(text):
        epoch = int(part["epoch"])
        whole = max(epoch - 1, 0) if part.re is _SAMPLES else epoch
        return Said(whole * int(part["of"]) + int(part["step"]), loss, per_s, tokens, epoch)
    step = _whole(_found(_STEP, text))
    return Said(step, loss, per_s, tokens, _found(_EPOCH, text), requests_per_s=requests)


def _of_bar(bar: re.Match[str], text: str) -> Said:
    rest = text[bar.end("step") :]
    counted = bar.re is _RICH_BAR or _BAR_RATE.search(rest)
    if not counted or _OTHER_WORK.search(bar["what"]):
        return Said()
    step, epoch = int(bar["step"]), None
    if in_epoch := _IN_EPOCH.search(bar["what"]):
        epoch = int(in_epoch["epoch"])
        if bar["of"] is None:
            return Said(None, _loss(rest), steps_per_s(rest), tokens_per_s(rest), epoch)
        step += epoch * int(bar["of"])
    return Said(step, _loss(rest), steps_per_s(rest), tokens_per_s(rest), epoch)
