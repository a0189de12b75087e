"""Processes of this machine are ended with what they started, also where starting is cancelled."""

from __future__ import annotations

import asyncio
import subprocess
from functools import partial
from pathlib import Path

import pytest

from fleetctl.link.groups import start_group
from tests.openssh import bounded
from tests.waiting import eventually


@pytest.mark.parametrize("turns", [2, 3, 4, 5])
def test_starting_that_is_cancelled_ends_with_what_was_started(tmp_path: Path, turns: int) -> None:
    """What the process started has its pipes, too, so that killing the process alone leaves asyncio
    waiting for their end."""
    there = tmp_path / "there"
    script = f"sleep 3600 & echo $! $$ > {there}.new; mv {there}.new {there}; wait"

    async def body() -> None:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        starting = asyncio.create_task(start_group("sh", "-c", script, **pipes))
        for _ in range(turns):
            await asyncio.sleep(0)
        eventually(there.exists, "what the process starts")  # and asyncio has no turn meanwhile
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    bounded(body())
    for pid in there.read_text().split():
        eventually(partial(_ended, pid), f"the end of process {pid}")


def _ended(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"
