"""Web pages of the job, opened from the dashboard through tunnels that it keeps."""

from __future__ import annotations

import asyncio

from textual.worker import Worker

from fleetctl import browser
from fleetctl.model.pages import Page, pages
from fleetctl.tui.background import in_background
from fleetctl.tui.host import Host
from fleetctl.tui.screens.choice import CANCEL, Choice, ChoiceScreen
from fleetctl.undertakings import Tunnel

LOOK_S = 2.0
"""Seconds between two tries to reach a page that is not there yet."""
TOLD_S = 15.0


class WebPages:
    """The pages of one dashboard; a tunnel to each that was opened, until the dashboard is left."""

    def __init__(self, app: Host) -> None:
        self._app = app
        self._opened: dict[str, Worker[None]] = {}
        self._tunnels: dict[str, Tunnel] = {}

    def ask_which(self) -> None:
        """Open the page of what the cursor is on, or ask which of the job's."""
        job = self._app.service.job
        under = self._app.under_cursor
        found = {page.name: page for page in pages(under.instances)}
        found = found or {page.name: page for page in pages(job.instances if job else ())}
        if not found:
            self._app.notify(
                "nodes.yaml names no web page of the job. web: PORT of a service does."
            )
        elif len(found) == 1:
            self.open(*found.values())
        else:
            answers = [*(Choice(name, name) for name in found), CANCEL]
            body = "In the browser of this machine."
            self._app.push_screen(
                ChoiceScreen("Open which web page", body, answers, preselected=next(iter(found))),
                lambda name: self.open(found[name]) if name else None,
            )

    def open(self, page: Page) -> None:
        """Show ``page`` in the browser, or say its address."""
        tunnel, worker = self._tunnels.get(page.name), self._opened.get(page.name)
        if tunnel:
            self._show(tunnel)
        elif worker is None or worker.is_finished:
            self._opened[page.name] = in_background(
                self._app, self._keep(page), title=f"open {page.name}", group=f"page {page.name}"
            )

    async def _keep(self, page: Page) -> None:
        async with self._app.service.tunnel(page) as tunnel:
            said = ""
            while why := await tunnel.look():
                if why != said:
                    self._tell(f"{why}. It is opened once it is there.", title=page.name)
                said = why
                await asyncio.sleep(LOOK_S)
            self._tunnels[page.name] = tunnel
            try:
                self._show(tunnel)
                await asyncio.Event().wait()  # until the dashboard is left
            finally:
                del self._tunnels[page.name]

    def _show(self, tunnel: Tunnel) -> None:
        self._tell(f"{tunnel.url}, until you leave the dashboard", title=tunnel.page.name)
        if browser.available():
            browser.show(tunnel.url)

    def _tell(self, text: str, title: str) -> None:
        self._app.notify(text, title=title, timeout=TOLD_S, markup=False)
