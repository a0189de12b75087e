"""Running commands as root on a node: by sudo without a password, or with the one that was typed.

``sudo -n`` is tried first, so that sudo always reads the password that is handed to it: else the
command itself would find it on its stdin.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Literal

from fleetctl.errors import RepairRefused
from fleetctl.link.protocol import Completed, Link
from fleetctl.model.sudo import SudoPassword
from fleetctl.repair.judging import password_wanted, password_wrong
from fleetctl.repair.records import bare_script

ASK_TIMEOUT_S = 10.0
STEP_TIMEOUT_S = 30.0
"""The slowest command, networksetup, may take some seconds."""
INSTALL_TIMEOUT_S = 600.0
"""For a command that installs a program: on a Pi, apt may take minutes."""

SUDO = "sudo "
"""How a command begins that needs root."""
WITH_PASSWORD = "sudo -k -S -p '' "  # -k: else a cached login leaves it unread
_MARK = "\x1e"

Permission = Literal["yes", "password", "no"]


class Root:
    """The commands that one node lets this account run as root.

    :param password: None: ask for none.
    """

    def __init__(self, link: Link, password: SudoPassword | None = None) -> None:
        self._link = link
        self._password = password
        self._sudo = "sudo -n "
        self._permissions: dict[str, tuple[Permission, str]] = {}
        """By command, with what sudo said."""

    async def prepare(self, commands: Sequence[str]) -> None:
        """Ask whether ``commands`` may be run; those that need no root always may.

        :raises RepairRefused: none of those that need root may be; the hint says what to do.
        :raises LinkError: the node is lost.
        """
        wanted = [c for c in dict.fromkeys(commands) if c.startswith(SUDO)]
        if not wanted:
            return
        done = await self._link.run(_ask_script(wanted), timeout_s=ASK_TIMEOUT_S)
        told = done.text.split(_MARK)
        if told[0].strip() == "root":  # a system without sudo, logged in as root
            self._sudo = ""
            return
        if told[0].strip() == "no sudo":
            raise self._refusal("there is no sudo")
        for command, said, status in zip(wanted, told[::2], told[1::2], strict=False):
            if status.strip() != "0":
                need: Permission = "password" if password_wanted(said) else "no"
                self._permissions[command] = need, _last_line(said)
        refused = [said for need, said in self._permissions.values() if not self._usable(need)]
        if len(refused) == len(wanted):
            raise self._refusal(next(filter(None, refused), "sudo does not allow them"))
        if any(need == "password" for need, _ in self._permissions.values()):
            await self._unlock()

    def refusal(self, command: str) -> str:
        """Why ``command`` cannot be run as root; empty: it can, as far as is known."""
        need, said = self._permissions.get(command, ("yes", ""))
        if self._usable(need):
            return ""
        if need == "no":
            return f"sudo does not allow it to this account{said and f' ({said})'}"
        return f"sudo refuses it without a password: {said}"

    async def run(self, command: str, timeout_s: float = STEP_TIMEOUT_S) -> Completed:
        """Run ``command``, with stderr joined to stdout.

        :raises RepairRefused: sudo does not accept the password.
        :raises LinkError: the node is lost, or the command hangs.
        """
        words = command.removeprefix(SUDO)
        if words == command:
            return await self._shell(bare_script(command), timeout_s=timeout_s)
        if self._permissions.get(command, ("yes", ""))[0] != "password":
            done = await self._shell(bare_script(self._sudo + words), timeout_s=timeout_s)
            # one rule without a password lets `sudo -l` answer for commands that need one, too
            if self._password is None or not password_wanted(done.text):
                return done
        await self._unlock()
        assert self._password is not None
        return await self._shell(
            bare_script(WITH_PASSWORD + words, stdin=True),
            stdin=self._password.stdin,
            timeout_s=timeout_s,
        )

    def _usable(self, need: Permission) -> bool:
        return need == "yes" or (need == "password" and self._password is not None)

    async def _unlock(self) -> None:
        """Let sudo judge the password, once in a run."""
        node, password = self._link.node, self._password
        if password is None or password.accepted(node):
            return
        if not password.may_try(node):
            raise RepairRefused(
                f"{node} was not asked to accept the sudo password, since {password.refused_by} "
                "refused it",
                hint="Where nodes have different ones, repair them one by one.",
            )
        done = await self._shell(
            bare_script(f"{WITH_PASSWORD}-v", stdin=True), stdin=password.stdin
        )
        if done.exit_status == 0:
            password.accept(node)
        elif password_wrong(done.text):
            password.refuse(node)
            raise RepairRefused(
                f"{node}: sudo does not accept the password",
                hint="It is not tried again in this run, there or elsewhere, because accounts may "
                "be locked after some wrong ones.",
            )
        else:
            raise self._refusal(_last_line(done.text) or f"sudo ended with {done.exit_status}")

    async def _shell(
        self, script: str, stdin: bytes = b"", timeout_s: float = STEP_TIMEOUT_S
    ) -> Completed:
        return await self._link.run(script, stdin=stdin, timeout_s=timeout_s)

    def _refusal(self, said: str) -> RepairRefused:
        node = self._link.node
        if self._password is not None:
            return RepairRefused(
                f"{node} does not allow commands as root ({said})",
                hint="docs/sudo.md says what must be allowed, or run the commands on it by hand.",
            )
        refused = RepairRefused(
            f"{node} does not allow commands as root without a password ({said})",
            hint="`fleetctl fix --ask-sudo` asks for it, with --apply or --undo; or allow these "
            "commands there without one (NOPASSWD): docs/sudo.md has the least rule.",
        )
        refused.wants_password = any(n == "password" for n, _ in self._permissions.values())
        return refused


def _ask_script(commands: Sequence[str]) -> str:
    """Prints what ``sudo -l`` says of each command and its exit status, each before a mark.

    Its words are quoted, so that nothing of a command can be run by asking for it.
    """
    asked = "".join(
        f"sudo -n -l {shlex.join(shlex.split(command.removeprefix(SUDO)))} </dev/null 2>&1; "
        "printf '\\036%s\\036' $?\n"
        for command in commands
    )
    return (
        "LC_ALL=C; export LC_ALL\n"
        "if ! command -v sudo >/dev/null; then\n"
        '[ "$(id -u)" = 0 ] && echo root || echo no sudo\n'
        f"else\n{asked}fi\n"
    )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
