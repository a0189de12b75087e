"""How far a job is, as short texts: steps, rates, lag. Pure."""

from __future__ import annotations

from fleetctl.model.progress_status import JobProgress, ProgressStatus
from fleetctl.quantities import duration
from fleetctl.words.system import UNKNOWN

SLOW_PER_S = 0.1
"""Below it the seconds of a step are easier to read."""


def rate(steps_per_s: float | None) -> str:
    """Steps per second, as tqdm writes it: ``3.9 it/s``, ``12 s/it``."""
    if steps_per_s is None:
        return UNKNOWN
    if 0 < steps_per_s < SLOW_PER_S:
        return f"{1 / steps_per_s:.3g} s/it"
    return f"{steps_per_s:.3g} it/s"


def number(value: float | None) -> str:
    """A loss or an epoch."""
    return UNKNOWN if value is None else f"{value:.4g}"


def rank_words(progress: ProgressStatus) -> str:
    """What is known of an instance; empty: nothing."""
    if progress.step is None or progress.since_step_s is None:
        return ""
    words = f"step {progress.step} {duration(progress.since_step_s)} ago"
    if progress.steps_per_s is not None:
        words += f", {rate(progress.steps_per_s)}"
    if progress.behind_steps is not None and progress.behind_steps > 0:
        words += f", {progress.behind_steps} behind the median"
    return words


def server_words(progress: ProgressStatus | JobProgress) -> tuple[str, ...]:
    """What a server does: ``12.3 requests/s``, ``251 tok/s``; empty: not known."""
    words = []
    if progress.requests_per_s is not None:
        words.append(f"{progress.requests_per_s:.3g} requests/s")
    if progress.tokens_per_s is not None:
        words.append(f"{progress.tokens_per_s:.3g} tok/s")
    return tuple(words)


def job_words(progress: JobProgress | None) -> tuple[str, ...]:
    """What is known of the job, the most important first; empty: nothing."""
    if progress is None:
        return ()
    words = [
        f"step {progress.step}" if progress.step is not None else "",
        rate(progress.steps_per_s) if progress.steps_per_s is not None else "",
        f"loss {number(progress.loss)}" if progress.loss is not None else "",
        *server_words(progress),
        f"epoch {number(progress.epoch)}" if progress.epoch is not None else "",
    ]
    return tuple(filter(None, words))
