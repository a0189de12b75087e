"""The start of a loopback lab's own process; see :mod:`fleetctl.lab.loopback.keeper`."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from fleetctl.lab.loopback.keeper import keep
from fleetctl.lab.loopback.state import Task

line = sys.stdin.buffer.readline()
if line:  # else whoever started us is gone
    asyncio.run(keep(msgspec.json.decode(line, type=Task)))
