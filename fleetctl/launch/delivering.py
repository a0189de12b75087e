"""Signals to instances, and text typed into their windows: only to what fleetctl started."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Sequence

from fleetctl.errors import LinkError
from fleetctl.launch.node_files import send_script, signal_script
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Completed
from fleetctl.model.actions import outcome
from fleetctl.model.delivery import Delivery, Process
from fleetctl.model.jobs import Instance
from fleetctl.model.tmux_refusals import refusal
from fleetctl.noting.noting import Noted

TIMEOUT_S = 20.0
_NOTHING_RUNS = "nothing of it runs"
_KEPT = (
    "none of its programs reads what is typed: what it runs is in the background, or sh there "
    "hands no terminal over (as zsh and mksh do not), for which python3 is needed there"
)


class Delivering:
    """Delivers to instances of a fleet; what goes wrong is in the result."""

    def __init__(self, fleet: str, links: Links) -> None:
        self._fleet = fleet
        self._links = links

    async def all(
        self,
        chosen: Sequence[Instance],
        noted: Noted,
        deliver: Callable[[Instance], Coroutine[None, None, Delivery]],
    ) -> dict[str, Delivery]:
        """``deliver`` to all of ``chosen`` at once, which is noted; by instance."""
        with noted.running():
            done = await asyncio.gather(*map(deliver, chosen))
            noted.state = "ok" if all(one.ok for one in done) else "failed"
            words = {True: "delivered", False: "not delivered", None: "not known"}
            noted.said = outcome(words[one.ok] for one in done)
        return {instance.name: one for instance, one in zip(chosen, done, strict=True)}

    async def signal(self, instance: Instance, signal: str, *, whole: bool) -> Delivery:
        """Send a signal to the process that the command of ``instance`` runs as.

        Where that is still the shell that runs the command line, and the line sets no traps, it is
        the program that this waits for: a shell would end by the signal, and the program run on.

        :param signal: without the SIG prefix.
        :param whole: to all of its processes.
        """
        traps = bool(re.search(r"\btrap\b", instance.line or ""))
        script = signal_script(self._fleet, instance, signal, whole=whole, traps=traps)
        done = await self._run(instance, script, b"")
        if isinstance(done, Delivery):
            return done
        found: dict[str, list[Process]] = {"sent": [], "refused": [], "several": [], "none": []}
        for line in done.text.splitlines():
            word, _, rest = line.partition(" ")
            pid, _, name = rest.partition(" ")
            if word in found and pid.isdigit():
                found[word].append(Process(int(pid), name or "?"))
        if several := found["several"]:
            reason = (
                f"it runs several processes, so which one is meant is not known: {_named(several)}"
            )
            return Delivery(False, reason=reason)
        sent = tuple(found["sent"])
        if refused := found["refused"]:
            reason = f"it does not reach {_named(refused)}: ended meanwhile, or another account's"
            return Delivery(False, sent, reason)
        if sent:
            return Delivery(True, sent)
        if done.exit_status:
            return Delivery(
                False, reason=f"which processes are its own is not known: {_said(done)}"
            )
        return Delivery(False, reason=_NOTHING_RUNS)

    async def send(self, instance: Instance, text: bytes) -> Delivery:
        """Type ``text``, in which newlines are Enter, into the window of ``instance``."""
        done = await self._run(instance, send_script(self._fleet, instance), text)
        if isinstance(done, Delivery):
            return done
        if done.exit_status:
            return Delivery(False, reason=f"tmux: {refusal(done.error_text).reason}")
        if "typed" in done.text.split():
            return Delivery(True)
        if "kept" in done.text.split():
            return Delivery(False, reason=_KEPT)
        return Delivery(False, reason=_NOTHING_RUNS)

    async def _run(self, instance: Instance, script: str, stdin: bytes) -> Completed | Delivery:
        node = instance.node
        if instance.command is None:
            return Delivery(False, reason=f"it is started by hand on {node}, and only watched")
        sent = False
        try:
            with of_node(node):
                link = await self._links.get(node)
                sent = True
                return await link.run(script, stdin=stdin, timeout_s=TIMEOUT_S)
        except LinkError as error:
            doubt = "it may have arrived or not: " if sent else ""
            return Delivery(None if sent else False, reason=f"{doubt}{error.reason}")


def _named(processes: list[Process]) -> str:
    return ", ".join(f"{process.pid} ({process.name})" for process in processes)


def _said(done: Completed) -> str:
    return done.error_text or f"exit status {done.exit_status}"
