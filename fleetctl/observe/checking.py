"""One look at every node of a fleet, judged as soon as all are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fleetctl.link.links import Links
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.look import Look
from fleetctl.model.questions import Depth
from fleetctl.model.topology import Fleet, Node
from fleetctl.observe.connecting import connecting, failed, judging
from fleetctl.service import Answered

if TYPE_CHECKING:
    from fleetctl.health.assess import Checked
    from fleetctl.observe.former import FormerNodes
    from fleetctl.observe.observer import Observer


async def check(
    fleet: Fleet,
    job: Job | None,
    links: Links,
    observer: Callable[[], Observer],
    former: Callable[[], FormerNodes],
    *,
    chosen: Sequence[Instance] | None,
    answered: Answered | None,
    depth: Depth,
) -> Checked:
    """What is so on all nodes, those that are no longer in nodes.yaml included.

    :param observer, former: are called once their modules are imported, which takes a while.
    """
    began = time.monotonic()
    async with connecting(fleet, links) as opening:
        asking = observer()

        async def ask(node: Node) -> Look:
            if error := await failed(opening.get(node.name)):
                look = asking.lost(node, error)
            else:
                look = await asking.look(node, depth)
            if answered:
                answered(node.name, look)
            return look

        await asking.ask_leases()
        of_former, asked, _ = await asyncio.gather(
            former().looks(job),
            asyncio.gather(*(ask(node) for node in fleet.nodes.values())),
            judging(),
        )
    from fleetctl.health.assess import assess
    from fleetctl.observe.again import asked_again, contacts_again

    looks = dict(zip(fleet.nodes, asked, strict=True))
    if depth == "check":
        looks = await asked_again(asking, looks)
    contacts = await contacts_again(asking, job, looks) if job else None
    return assess(
        asking.fleet,
        job,
        asking.expectations,
        looks,
        duration_s=time.monotonic() - began,
        depth=depth,
        chosen=chosen,
        former=of_former,
        contacts=contacts,
    )
