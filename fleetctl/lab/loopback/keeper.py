"""The keeper of a loopback lab: the process with its SSH servers, and a socket for requests.

Run as ``python -m fleetctl.lab.loopback`` with a :class:`Task` on stdin; it prints the ports of the
nodes. With a lifeline, it ends the lab when its stdin is closed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import psutil

from fleetctl.errors import LabError
from fleetctl.lab.loopback.ending import end_all
from fleetctl.lab.loopback.server import Client, Node
from fleetctl.lab.loopback.state import CONTROL, Task
from fleetctl.lab.requests import serving

ACT_TIMEOUT_S = 10.0


async def keep(task: Task) -> None:
    """Serve until a signal or the end of the lifeline; then end all processes of the lab."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    client = Client(Path(task.identity_file), Path(task.known_hosts))
    nodes = {name: Node(name, env, client) for name, env in task.environments.items()}
    for node in nodes.values():
        await node.start()

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        return asyncio.run_coroutine_threadsafe(_act(nodes, request), loop).result(ACT_TIMEOUT_S)

    with serving(Path(task.folder, CONTROL), answer):
        print(msgspec.json.encode({n.name: n.port for n in nodes.values()}).decode(), flush=True)  # noqa: T201 -- the answer to LoopbackLab.up
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # LoopbackLab.up reads until this closes
        if task.lifeline:
            loop.add_reader(0, over.set)  # readable only at its end: nothing more is written
        await over.wait()
    for node in nodes.values():
        node.stop()
    await asyncio.to_thread(end_all, Path(task.folder), psutil.Process())


async def _act(nodes: Mapping[str, Node], request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Do what a request asks; the answer names the nodes that are down."""
    match request:
        case {"do": "fault", "node": str(name)}:
            _node(nodes, name).stop()
        case {"do": "heal", "node": str(name)}:
            await _node(nodes, name).start()
        case {"do": "status"}:
            pass
        case _:
            raise LabError(f"the lab does not know the request {dict(request)}")
    return {"down": [node.name for node in nodes.values() if not node.answers]}


def _node(nodes: Mapping[str, Node], name: str) -> Node:
    if name not in nodes:
        known = ", ".join(nodes)
        raise LabError(f"the lab has no SSH server for {name!r}", hint=f"It has: {known}.")
    return nodes[name]
