"""Work in the background. Its errors are shown, and never end the dashboard."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine
from typing import Any

from textual.app import App
from textual.widget import Widget
from textual.worker import Worker

from fleetctl.errors import FleetctlError
from fleetctl.link.mistakes import told


def in_background(
    owner: App[Any] | Widget,
    work: Coroutine[Any, Any, object],
    *,
    title: str,
    group: str,
    exclusive: bool = False,
    failed: Callable[[str], object] | None = None,
) -> Worker[None]:
    """Run ``work`` as a worker of ``owner``, which ends with it.

    :param title: what is being done, for a notification of its failure.
    :param exclusive: an earlier worker of the same owner and group is cancelled.
    :param failed: called with a sentence that says why; by default a notification.
    """

    def tell(sentence: str) -> None:
        owner.notify(sentence, title=title, severity="error", timeout=20, markup=False)

    async def run() -> None:
        try:
            await work
        except FleetctlError as error:
            (failed or tell)(str(error))
        except Exception as error:  # noqa: BLE001 - the dashboard goes on, and shows it
            (failed or tell)(a_bug(error))

    worker: Worker[None] = owner.run_worker(
        run, name=title, group=group, exclusive=exclusive, exit_on_error=False
    )
    weakref.finalize(worker, work.close)  # one that is cancelled before it begins
    return worker


def a_bug(error: BaseException) -> str:
    """The sentence for an unexpected error."""
    return f"This is {told(error)}."
