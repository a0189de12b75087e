"""The local link: a script that is given up, at whatever moment, is ended, and so is the wait."""

from __future__ import annotations

import asyncio

import psutil

from fleetctl.link.local import LocalLink
from tests.openssh import bounded

MARK = "sleep 4999"


def test_giving_up_a_script_while_it_starts_neither_hangs_nor_leaves_it() -> None:
    async def body() -> None:
        link = LocalLink("here")
        for step in range(60):
            running = asyncio.create_task(link.run(f"exec {MARK}", timeout_s=30))
            await asyncio.sleep(step * 0.0003)
            running.cancel()
            await asyncio.wait([running], timeout=5)
            assert running.cancelled(), f"given up after {step * 0.3:.1f} ms"

    bounded(body())
    # a process may end, or be a zombie by now: then it has no command line
    everyone = psutil.process_iter(["cmdline"])
    found = [p.pid for p in everyone if MARK in " ".join(p.info["cmdline"] or [])]
    assert found == []
