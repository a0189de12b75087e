"""Entry point of a loopback lab's keeper; see :mod:`fleetctl.lab.loopback.keeper`."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from fleetctl.lab.loopback.keeper import keep
from fleetctl.lab.loopback.state import Task

line = sys.stdin.buffer.readline()
if line:  # else the process that started this one is gone
    asyncio.run(keep(msgspec.json.decode(line, type=Task)))
