"""The local link: cancelling at any moment ends the script and the wait."""

from __future__ import annotations

import asyncio

import psutil

from fleetctl.link.local import LocalLink
from tests.openssh import bounded

MARK = "sleep 4999"


def test_cancelling_while_a_script_starts_neither_hangs_nor_leaves_it() -> None:
    async def body() -> None:
        link = LocalLink("here")
        for step in range(60):
            running = asyncio.create_task(link.run(f"exec {MARK}", timeout_s=30))
            await asyncio.sleep(step * 0.0003)
            running.cancel()
            await asyncio.wait([running], timeout=5)
            assert running.cancelled(), f"given up after {step * 0.3:.1f} ms"

    bounded(body())
    # a process that has ended, or is a zombie, has no command line
    everyone = psutil.process_iter(["cmdline"])
    found = [p.pid for p in everyone if MARK in " ".join(p.info["cmdline"] or [])]
    assert found == []
