"""Attaching this process's terminal to the tmux window of an instance."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext, suppress

from fleetctl.errors import LaunchError, LinkError, TmuxError
from fleetctl.health.services import UNATTACHABLE, pane_of
from fleetctl.link.console import lend
from fleetctl.link.links import Links
from fleetctl.model.facts import CUT_OFF, Pane
from fleetctl.model.jobs import Instance
from fleetctl.model.tmux_refusals import refusal
from fleetctl.observe.observer import Observer
from fleetctl.service import Attached
from fleetctl.tmux.outer import detach_keys
from fleetctl.tmux.server import attach_script


async def attach(
    fleet: str,
    links: Links,
    observer: Observer,
    instance: Instance,
    *,
    read_only: bool,
    lent: AbstractContextManager[object] | None,
) -> Attached:
    """See :meth:`fleetctl.service.FleetService.attach`."""
    link = await links.get(instance.node)
    pane = await _pane_of(fleet, observer, instance)
    if pane is None:
        raise LaunchError(
            instance.name,
            "has no window: it is not started",
            hint=f"Start it: fleetctl start {instance.name}",
        )
    detach = await asyncio.to_thread(detach_keys)
    script = attach_script(fleet, pane.window_id, read_only=read_only, detach=detach)
    with lent or nullcontext():
        status = await lend(link, script)
    with suppress(LinkError, TmuxError, LaunchError):
        pane = await _pane_of(fleet, observer, instance)
    return Attached(status, bool(pane and not pane.dead))


async def _pane_of(fleet: str, observer: Observer, instance: Instance) -> Pane | None:
    """
    :raises TmuxError: the node's tmux cannot be asked.
    :raises LaunchError: it has lost its socket.
    """
    facts = await observer.instances_on(instance.node)
    if facts.panes is None and facts.tmux_version is not None:
        told = refusal(facts.unknown.get("tmux", CUT_OFF))
        raise TmuxError(instance.node, f"tmux: {told.reason}", hint=told.hint, code="tmux-unusable")
    record = facts.records.get((instance.job, instance.name))
    pane = pane_of(fleet, instance, facts)
    if pane is None and record and record.run in facts.supervised:
        raise LaunchError(instance.name, UNATTACHABLE)
    return pane
