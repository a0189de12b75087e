"""The demo's tour for the dashboard: what can be broken, breaking it, repairing it.

``fleetctl demo`` runs outside its lab and serves requests at a unix socket; ``FLEETCTL_DEMO`` names
a JSON file with the socket's path. Nothing here depends on the lab.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fleetctl.errors import LabError

VARIABLE = "FLEETCTL_DEMO"
TIMEOUT_S = 40.0
"""Most requests take about a second, but a busy computer may be much slower."""
MAX_LINE_BYTES = 256 * 1024

RepairedBy = Literal["fix", "start", "itself", "heal"]


class Scenario(Struct, frozen=True):
    """A fault to inject, what to see then, and how it is repaired."""

    id: str
    title: str
    """The entry in the palette: "Pull pi4's cable"."""
    node: str
    fault: str
    """The kind: one of ``lab fault --list``, or ``kill``, ``tmux-killed`` or ``app-off``."""
    look: str
    """What to look for in the dashboard: one or two sentences."""
    code: str | None
    """The problem code that will appear; ``None``: no problem, only a state."""
    repair: RepairedBy
    """By the key for fix or for start, by itself, or by :func:`heal`."""
    remedy: str
    """The same as a sentence."""
    target: str | None = None
    """The instance, such as ``worker@pi4``, if it is about one."""
    network: str | None = None
    """The node's network, if it is about one."""


class Demo(Struct, frozen=True):
    """The file that ``FLEETCTL_DEMO`` names."""

    socket: str
    lab: str
    note: str = ""
    """What the demo's fleet cannot show; empty: nothing worth telling."""
    kept: bool = False
    """Whether the fleet runs on after the dashboard is left."""


class _Answer(Struct, frozen=True):
    ok: bool
    said: str = ""
    error: str = ""
    scenarios: tuple[Scenario, ...] = ()


def present() -> bool:
    """Whether this runs inside a demo."""
    return bool(os.environ.get(VARIABLE))


def about() -> Demo:
    """The demo that this runs in.

    :raises LabError: there is none, or its file cannot be read.
    """
    try:
        return msgspec.json.decode(Path(os.environ[VARIABLE]).read_bytes(), type=Demo)
    except KeyError:
        raise LabError("this is no demo", hint="Start one: fleetctl demo") from None
    except (OSError, msgspec.DecodeError) as error:
        raise LabError(f"the demo's file cannot be read: {error}") from None


async def tour() -> tuple[Scenario, ...]:
    """The scenarios, in the order of the tour.

    :raises LabError: the demo does not answer.
    """
    return (await _ask({"do": "list"})).scenarios


async def inject(scenario: Scenario) -> str:
    """Inject the fault of ``scenario``; what was done, as a sentence.

    :raises LabError: the demo does not answer, or the fault cannot be injected.
    """
    return (await _ask({"do": "fault", "scenario": scenario.id})).said


async def heal(scenario: Scenario) -> str:
    """Repair what ``scenario`` broke; what was done, as a sentence.

    :raises LabError: as :func:`inject`.
    """
    return (await _ask({"do": "heal", "scenario": scenario.id})).said


async def _ask(request: dict[str, Any]) -> _Answer:
    demo = about()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(demo.socket, limit=MAX_LINE_BYTES)
            try:
                writer.write(msgspec.json.encode(request) + b"\n")
                answer = msgspec.json.decode(await reader.readline(), type=_Answer)
            finally:
                writer.close()
    except TimeoutError:
        raise LabError(f"the demo does not answer within {TIMEOUT_S:g} s") from None
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise LabError(f"the demo does not answer: {error or 'it is gone'}") from None
    if not answer.ok:
        raise LabError(answer.error.rstrip("."))
    return answer
