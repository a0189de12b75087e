"""The tmux server of one node: opens a window for an instance, runs its command there, closes it.

libtmux is synchronous, and its objects run commands even for ``repr``: they are used only in one
thread per node, which returns plain values.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import libtmux
import libtmux.exc
from msgspec import Struct

from fleetctl.errors import LinkHung, TmuxError
from fleetctl.link.protocol import Link
from fleetctl.model.layout import TMUX_SOCKET
from fleetctl.model.tmux_refusals import refusal
from fleetctl.quoting import join, quote
from fleetctl.tmux import seam

COMMAND_TIMEOUT_S = 15.0
_HOLD = ("sleep", "60")
# The process of a new window until its command replaces it; it ends, with the window, if the
# controller dies before. Two words: tmux would run a single one with the user's login shell, which
# may be nologin.

_RACE = re.compile(r"duplicate session|server exited|lost server")
# Another controller was faster, or the server has just exited with its last window.

_GONE = re.compile(
    r"can't find (window|session)|no server running|server exited|lost server|no current"
    r"|error connecting to .*\(No such file or directory\)"
)
# Other errors, such as a socket without permission, do not mean that the window is gone.

_CRASHED = re.compile(r"exited unexpectedly")

_T = TypeVar("_T")
_numbers = itertools.count()


class Window(Struct, frozen=True):
    """A window on a node's tmux server: tmux's ids."""

    window_id: str
    pane_id: str


class _LinkEngine:
    """Runs tmux on a node: called in libtmux's thread, it uses the link in the event loop."""

    def __init__(self, link: Link, loop: asyncio.AbstractEventLoop) -> None:
        self._link = link
        self._loop = loop

    def run(self, argv: tuple[str, ...]) -> seam.Result:
        # -u: without a UTF-8 locale tmux turns libtmux's field separator into "_"
        script = f"exec tmux -u {join(argv)}"
        future = asyncio.run_coroutine_threadsafe(
            self._link.run(script, timeout_s=COMMAND_TIMEOUT_S), self._loop
        )
        try:
            done = future.result(COMMAND_TIMEOUT_S + 5)
        except TimeoutError:
            future.cancel()
            raise LinkHung(self._link.node, "tmux does not answer") from None
        if done.exit_status == 127:
            raise TmuxError(
                self._link.node, "tmux is not installed, or not in PATH", hint=INSTALL_HINT
            )
        return seam.Result(done.text, done.error_text, done.exit_status)


INSTALL_HINT = "Install it: brew install tmux (macOS), sudo apt install tmux (Debian)."


class NodeTmux:
    """fleetctl's own tmux server on one node.

    Every method raises :class:`~fleetctl.errors.TmuxError` if tmux refuses, and
    :class:`~fleetctl.errors.LinkError` if the node is lost.
    """

    def __init__(self, link: Link) -> None:
        self._node = link.node
        self._tmux_bin = f"fleetctl://{next(_numbers)}/{link.node}"
        seam.register(self._tmux_bin, _LinkEngine(link, asyncio.get_running_loop()))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"tmux-{link.node}")

    async def open_window(self, session: str, name: str, *, config: str) -> Window:
        """Open a window that only waits, in ``session``, which is created if needed.

        :param config: absolute path, on the node, of the settings for a new tmux server.
        """
        return await self._in_thread(lambda: self._open(session, name, config))

    async def run_in(
        self,
        window: Window,
        argv: tuple[str, ...],
        *,
        options: Mapping[str, str],
        log_command: tuple[str, ...],
    ) -> None:
        """Replace the window's process by ``argv``, and pipe its output to ``log_command``.

        Options, pipe and command are set in one tmux invocation: all of them or none.

        :param options: user options to set on the window, without the leading ``@``.
        """
        pane = window.pane_id
        # tmux expands formats and strftime in the pipe's command
        log = join(log_command).replace("#", "##").replace("%", "%%")
        sequence = ["set-option", "-w", "-t", pane, "remain-on-exit", "on"]
        for key, value in options.items():
            sequence += [";", "set-option", "-w", "-t", pane, f"@{key}", _argument(value)]
        sequence += [";", "pipe-pane", "-O", "-t", pane, f"exec {log}"]
        sequence += [";", "respawn-pane", "-k", "-t", pane, *map(_argument, argv)]
        await self._in_thread(lambda: self._command(*sequence))

    async def close_window(self, window_id: str) -> None:
        """Close a window, if it still exists."""
        await self._in_thread(lambda: self._close(window_id))

    def close(self) -> None:
        seam.unregister(self._tmux_bin)
        self._thread.shutdown(wait=False)

    def _server(self, config: str | None = None) -> libtmux.Server:
        return libtmux.Server(socket_name=TMUX_SOCKET, config_file=config, tmux_bin=self._tmux_bin)

    def _open(self, session: str, name: str, config: str) -> Window:
        server = self._server(config)
        window = ("-d", "-n", name, "-P", "-F", "#{window_id} #{pane_id}", *_HOLD)
        for _ in range(3):
            opened = server.cmd("new-window", "-t", f"={session}:", *window)
            if opened.returncode != 0 and _GONE.search(" ".join(opened.stderr)):
                opened = server.cmd("new-session", "-s", session, "-x", "200", "-y", "50", *window)
            if opened.returncode == 0 and opened.stdout:
                return Window(*opened.stdout[0].split())
            said = " ".join(opened.stderr)
            if not _RACE.search(said):
                raise self._refused("", said or "no window was opened")
        if not _CRASHED.search(said):
            said = f"session {session} comes and goes: {said}"
        raise self._refused("", said)

    def _command(self, *argv: str) -> None:
        done = self._server().cmd(argv[0], *argv[1:])
        if done.returncode != 0 or done.stderr:
            raise self._refused(f" {argv[0]}", " ".join(done.stderr) or "failed")

    def _close(self, window_id: str) -> None:
        done = self._server().cmd("kill-window", target=window_id)
        said = " ".join(done.stderr)
        if said and not _GONE.search(said):
            raise self._refused(" kill-window", said)

    def _refused(self, command: str, said: str) -> TmuxError:
        told = refusal(said)
        return TmuxError(
            self._node, f"tmux{command}: {told.reason}", hint=told.hint, code="tmux-unusable"
        )

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)
        except libtmux.exc.LibTmuxException as error:
            raise self._refused("", str(error)) from None


def _argument(text: str) -> str:
    """``text``, escaped so that tmux does not take a final semicolon as the end of the command."""
    return f"{text[:-1]}\\;" if text.endswith(";") else text


def attach_script(session: str, window_id: str, *, read_only: bool, detach: str) -> str:
    """The script that shows one window in the terminal on which it runs, full size.

    :param detach: the keys that come back, as the window's last line names them.

    It attaches through a new session in the same group, so that other viewers keep their own
    current window, and ends that session afterwards. It does not use tmux's destroy-unattached,
    with which the server of tmux 3.3a often crashes on detach, and ends everything in it.
    """
    view = f"{session}-view-$$"
    tmux = f"tmux -u -L {TMUX_SOCKET}"
    attach = "attach-session -r" if read_only else "attach-session"
    hint = quote(f" {'read-only · ' if read_only else ''}detach: {detach} ")
    return f"""unset TMUX TMUX_PANE
infocmp "$TERM" >/dev/null 2>&1 || TERM=xterm-256color; export TERM
trap : HUP TERM # ends tmux only: this shell still ends the session when its terminal is gone
{tmux} new-session -d -t {quote("=" + session)} -s "{view}" || exit 1
{tmux} set-option -t "={view}:" status-right-length 60
{tmux} set-option -t "={view}:" status-right {hint}
{tmux} select-window -t "={view}:{window_id}" && {tmux} {attach} -t "={view}"
status=$?
{tmux} kill-session -t "={view}" 2>/dev/null
exit $status
"""
