"""Lending the terminal: to the tmux window of an instance, or to the question for a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from textual.app import SuspendNotSupported

from fleetctl.errors import UsageError
from fleetctl.model.jobs import Instance
from fleetctl.model.sudo import SudoPassword
from fleetctl.quantities import NAMED
from fleetctl.tui.asked_password import ask_password
from fleetctl.tui.background import in_background
from fleetctl.tui.host import Host
from fleetctl.tui.screens.choice import CANCEL, Choice, ChoiceScreen


class Lending:
    """The lending of one dashboard."""

    def __init__(self, app: Host) -> None:
        self._app = app

    def ask_which(self, *, read_only: bool) -> None:
        """Attach to the instance under the cursor; ask which, where there are several."""
        app = self._app
        under = app.under_cursor
        found = {i.name: i for i in under.started}
        if not found:
            where = f"on {under.name}" if under.name else "where the cursor is"
            app.notify(f"Nothing that fleetctl starts runs {where}.")
        elif len(found) == 1:
            self.attach(*found.values(), read_only=read_only)
        elif len(found) > NAMED:
            app.notify(f"{under.name}: put the cursor on one of them, with → or / in the nodes.")
        else:
            title = "Look at which window" if read_only else "Type into which window"
            answers = [*(Choice(name, name) for name in found), CANCEL]
            app.push_screen(
                ChoiceScreen(title, f"The cursor is on {under.name}.", answers),
                lambda name: self.attach(found[name], read_only=read_only) if name else None,
            )

    def attach(self, instance: Instance, *, read_only: bool) -> None:
        """Attach the terminal to the tmux window of ``instance``, until the user detaches."""
        if not self._app.may("look_at" if read_only else "attach"):
            return
        work = self._attach(instance, read_only=read_only)
        title = f"attach {instance.name}"
        in_background(self._app, work, title=title, group="attach", exclusive=True)

    async def _attach(self, instance: Instance, *, read_only: bool) -> None:
        app = self._app
        left = await app.service.attach(instance, read_only=read_only, lent=self._lend())
        app.notify(f"Left the window of {instance.name}{'; it runs on' if left.runs else ''}.")

    async def ask_password(self) -> SudoPassword:
        """Ask for the password of sudo on the nodes.

        :raises UsageError: none was typed, or the terminal cannot be lent.
        """
        with self._lend():
            return await ask_password()

    @contextmanager
    def _lend(self) -> Iterator[None]:
        """While inside, another has the terminal, and nothing is drawn.

        :raises UsageError: it cannot be lent.
        """
        with self._app.batch_update():
            try:
                lent = self._app.suspend()
                lent.__enter__()
            except SuspendNotSupported:
                raise UsageError("this terminal cannot be lent, such as one in a browser") from None
            try:
                yield
            finally:
                lent.__exit__(None, None, None)
