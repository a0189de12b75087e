"""Leaving in the middle of a start, over real SSH: nothing is left half done on the node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleetctl.fleet import FleetService
from fleetctl.model.jobs import Job
from fleetctl.model.layout import instance_dir
from fleetctl.model.status import ALIVE_STATES
from fleetctl.model.topology import Fleet
from tests.launch.jobs import job
from tests.openssh import Server, bounded, client_home, make_sshd, until

__all__ = ["client_home", "make_sshd"]

FLEET = "leaving"


def slow_tmux(server: Server) -> None:
    """The node's tmux opens no window before ``~/go`` is there."""
    tmux = server.home / "slow/tmux"
    tmux.parent.mkdir()
    tmux.write_text(
        '#!/bin/sh\ncase "$*" in *new-window*) touch ~/begun\n'
        "until [ -e ~/go ]; do sleep 0.02; done ;; esac\n"
        'exec /usr/bin/env PATH="${PATH#*:}" tmux "$@"\n'
    )
    tmux.chmod(0o755)
    settings = f'PATH=~/slow:"$PATH"; export TMUX_TMPDIR="{server.home}"\n'
    for shell in ("bashrc", "zshenv"):  # what bash reads when sshd starts it, and what zsh does
        (server.home / f".{shell}").write_text(settings)


def test_a_birth_that_has_begun_ends_before_the_connections_do(
    make_sshd: Callable[..., Server], client_home: Path
) -> None:
    server = make_sshd()
    slow_tmux(server)
    made: Job = job({"worker": (["pi4"], [])})
    fleet = Fleet(FLEET, {}, {"pi4": server.node()}, {"job": made})
    (instance,) = made.instances
    folder = server.home / instance_dir(FLEET, "job", instance.name).removeprefix("~/")
    steps: list[Any] = []

    async def leave_while_starting() -> None:
        async with FleetService(fleet, made) as service:
            start = asyncio.create_task(
                service.start(made.instances, steps.append, {}, check=False)
            )
            await until((server.home / "begun").exists, "the window is being opened")
            assert (folder / "lock").exists()
            asyncio.get_running_loop().call_later(0.3, (server.home / "go").touch)
        assert start.cancelled()
        assert not (folder / "lock").exists()

    async def look_again() -> None:
        async with FleetService(fleet, made) as service:
            (found,) = (await service.observe()).services.values()
            (left,) = (await service.stop(made.instances, steps.append)).values()
            assert (found.state in ALIVE_STATES, left.state) == (True, "stopped")

    bounded(leave_while_starting())
    bounded(look_again())
