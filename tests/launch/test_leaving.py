"""Leaving in the middle of a start, over real SSH: what is left on the node."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetctl.fleet import LiveFleet
from fleetctl.model.layout import instance_dir
from fleetctl.model.progress import Progress
from fleetctl.model.status import ALIVE_STATES
from fleetctl.model.topology import Fleet
from tests.launch.jobs import job
from tests.openssh import Server, bounded, client_home, make_sshd, until

__all__ = ["client_home", "make_sshd"]

FLEET = "leaving"


class Started:
    """A fleet with one node and one instance, and the progress of its starts."""

    def __init__(self, server: Server) -> None:
        self.home = server.home
        self.job = job({"worker": (["pi4"], [])})
        self.fleet = Fleet(FLEET, {}, {"pi4": server.node()}, {"job": self.job})
        (instance,) = self.job.instances
        settings = f'PATH=~/slow:"$PATH"; export TMUX_TMPDIR="{server.home}"\n'
        for shell in ("bashrc", "zshenv"):  # read by bash and zsh when sshd starts them
            (server.home / f".{shell}").write_text(settings)
        folder = instance_dir(FLEET, "job", instance.name).removeprefix("~/")
        self.lock = server.home / folder / "lock"
        self.steps: list[Progress] = []

    def slow_down(self) -> None:
        """Let the node's tmux open no window until ``~/go`` exists, or for half a minute."""
        tmux = self.home / "slow/tmux"
        tmux.parent.mkdir()
        tmux.write_text(
            '#!/bin/sh\ncase "$*" in *new-window*) touch ~/begun; n=0\n'
            "until [ -e ~/go ] || [ $((n += 1)) -gt 600 ]; do sleep 0.05; done ;; esac\n"
            'exec /usr/bin/env PATH="${PATH#*:}" tmux "$@"\n'
        )
        tmux.chmod(0o755)

    def clean_up(self) -> None:
        """End what a failed test has left."""
        for socket in self.home.glob("tmux-*/*"):
            argv = ["tmux", "-S", str(socket), "kill-server"]
            subprocess.run(argv, capture_output=True, timeout=10, check=False)

    def service(self) -> LiveFleet:
        return LiveFleet(self.fleet, self.job)

    async def start(self, service: LiveFleet) -> None:
        await service.start(self.job.instances, self.steps.append, check=False).run()

    async def stop(self, service: LiveFleet) -> None:
        result = await service.stop(self.job.instances, self.steps.append).run()
        (left,) = result.services.values()
        assert left.state == "stopped"


@pytest.fixture
def it(make_sshd: Callable[..., Server], client_home: Path) -> Iterator[Started]:
    it = Started(make_sshd())
    yield it
    it.clean_up()


def test_a_begun_start_of_an_instance_ends_before_the_connections_close(it: Started) -> None:
    it.slow_down()

    async def leave_while_starting() -> None:
        async with it.service() as service:
            start = asyncio.create_task(it.start(service))
            await until((it.home / "begun").exists, "the window is being opened")
            assert it.lock.exists()
            asyncio.get_running_loop().call_later(0.3, (it.home / "go").touch)
        assert start.cancelled()
        assert not it.lock.exists()

    async def look_again() -> None:
        async with it.service() as service:
            (found,) = (await service.observe()).services.values()
            await it.stop(service)
            assert found.state in ALIVE_STATES

    bounded(leave_while_starting())
    bounded(look_again())


def test_the_lock_of_a_controller_that_died_expires(it: Started) -> None:
    async def body() -> None:
        async with it.service() as service:
            await it.start(service)
            await it.stop(service)
            it.lock.mkdir(mode=0o777)
            almost_a_minute_ago = time.time() - 57
            os.utime(it.lock, (almost_a_minute_ago, almost_a_minute_ago))
            it.steps.clear()
            await it.start(service)
            said = [step.reason for step in it.steps]
            assert "another fleetctl is starting or stopping it" in said
            assert it.steps[-1].state == "ready"
            await it.stop(service)

    bounded(body())
