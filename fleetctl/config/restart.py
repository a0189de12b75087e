"""Reads ``restart`` and ``stop`` of a service: what follows when it ends, and how it is ended."""

from __future__ import annotations

from fleetctl.config.report import Report, TreePath
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.services import RestartEntry, ServiceEntry, StopEntry
from fleetctl.model.jobs import Restart, RestartPolicy, Stop


def policy(entry: ServiceEntry) -> RestartPolicy:
    """After which ends it is started again."""
    if isinstance(entry.restart, RestartEntry):
        return entry.restart.policy
    return entry.restart or Restart().policy


def read_restart(entry: ServiceEntry, path: TreePath, report: Report) -> Restart:
    """The whole of ``restart``; mistakes go into ``report``."""
    if not isinstance(entry.restart, RestartEntry):
        return Restart(policy(entry))
    written, usual = entry.restart, Restart()
    delay_s = given(written.delay, usual.delay_s)
    max_delay_s = given(written.max_delay, max(usual.max_delay_s, delay_s))
    if max_delay_s < delay_s:
        what = f"restart.max_delay {max_delay_s:g} is below the delay of {delay_s:g} seconds"
        report.mistake((*path, "max_delay"), what)
    return Restart(
        policy=written.policy,
        delay_s=delay_s,
        max=given(written.max, usual.max),
        max_delay_s=max_delay_s,
        reset_after_s=given(written.reset_after, usual.reset_after_s),
    )


def read_stop(entry: ServiceEntry) -> Stop:
    """How it is ended."""
    written, usual = entry.stop or StopEntry(), Stop()
    signal: str = given(written.signal, usual.signal)
    return Stop(signal.removeprefix("SIG"), given(written.grace, usual.grace_s))
