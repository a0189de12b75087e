"""A conversation with a node: one shell there answers the same few questions again and again, and
reports when an instance's record changes or its process is gone.

An answer costs the node no login, no new shell and no SSH channel. Without a question or a change
nothing is sent.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from fleetctl.errors import LinkError, LinkHung
from fleetctl.link.protocol import ANSWER_BYTES, Link, Stream, cut_short
from fleetctl.model.layout import STATE
from fleetctl.observe.look import LOOK_TIMEOUT_S
from fleetctl.probes.node import Answered, NodeScript, answered

CHANGE_CHECK_S = 0.3
"""Interval at which the shell on the node looks for changes; costs builtins and one ``sleep``."""

_TEXT = r"""
%(functions)s
changes() {
  before=
  while kill -0 $$ 2>/dev/null; do # ends with the shell, also when that is killed
    now=
    for f in "$HOME"/%(state)s/%(fleet)s/*/*@%(node)s/state; do
      [ -r "$f" ] || continue
      now="$now$f"
      [ ! -e "${f%%state}ready" ] || now="$now ready"
      [ ! -r "${f%%state}health" ] || IFS= read -r line <"${f%%state}health" && now="$now $line"
      while IFS= read -r line; do
        case $line in
        pid=[0-9]*) kill -0 "${line#pid=}" 2>/dev/null || now="$now gone" ;;
        run=* | phase=* | restarts=* | started=*) now="$now $line" ;;
        esac
      done <"$f"
    done 2>/dev/null
    [ "$now" = "$before" ] || printf '\036%(token)s change\n'
    before=$now
    sleep %(pause)s
  done
}
changes </dev/null 2>/dev/null &
changes=$!
while IFS= read -r asked; do # until the controller closes stdin
  [ -n "$asked" ] || continue
  # collected first: else each piece that a probe prints would be a packet of its own
  answer=$( {
    errors=$( ( "ask_$asked" ) 2>&1 >&4 4>&- </dev/null)
    printf '\n\036%(token)s errors\n%%s\n' "$errors"
  } 4>&1)
  printf '%%s\n\036%(token)s end\n' "$answer"
done
kill $changes 2>/dev/null
"""


class Conversation:
    """Made by :func:`converse`. One question at a time.

    :param scripts: the questions, by name.
    :param noticed: called when something changed on the node, and when the node is lost.
    """

    def __init__(
        self,
        node: str,
        stream: Stream,
        token: str,
        scripts: Mapping[str, NodeScript],
        noticed: Callable[[], object],
    ) -> None:
        self._node = node
        self._stream = stream
        self._scripts = scripts
        self._noticed = noticed
        self._change = f"\x1e{token} change\n".encode()
        self._answer = re.compile(
            rf"(.*)\n\x1e{token} errors\n(.*)\n\x1e{token} end\n".encode(), re.DOTALL
        )
        self._end = f"\x1e{token} end\n".encode()
        self._data = b""
        self._arrived = asyncio.Event()
        self.lost: LinkError | None = None
        """Why the conversation is over."""

    async def ask(self, name: str) -> Answered:
        """The answer to one of the questions; raises as :meth:`words`."""
        asked_s = time.time()
        return answered(self._scripts[name], *await self.words(name), asked_s)

    async def words(self, name: str) -> tuple[str, str]:
        """What one of the questions printed on stdout and on stderr.

        :raises LinkLost: the connection broke.
        :raises LinkHung: no answer came in time, the login shell's own time not counted; the
            conversation cannot be used any more.
        """
        try:
            await self._stream.begun()
        except LinkHung as hung:
            self.lost = hung
            raise
        self._stream.write(f"{name}\n".encode())
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                while not (found := self._found()):
                    if self.lost:
                        raise self.lost
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            self.lost = LinkHung(
                self._node,
                f"a command did not end within {LOOK_TIMEOUT_S:g} s",
                hint="The node may be overloaded or its disk or network stuck.",
            )
            raise self.lost from None
        output, errors = found
        return output.decode("utf-8", "replace"), errors.decode("utf-8", "replace")

    def _found(self) -> tuple[bytes, bytes] | None:
        """A whole answer, if it is there."""
        if self._end not in self._data:
            return None
        self._take_changes()
        whole, _, self._data = self._data.partition(self._end)
        found = self._answer.fullmatch(whole + self._end)
        # the shell removed the last line's newline
        return (found[1], found[2] + b"\n") if found else (whole, b"")

    def _take_changes(self) -> None:
        if self._change in self._data:
            self._data = self._data.replace(self._change, b"")
            self._noticed()

    async def listen(self) -> None:
        """Read what the node sends, until it is lost; a task of :func:`converse`."""
        try:
            while data := await self._stream.read():
                self._data += data
                if len(self._data) > ANSWER_BYTES:
                    raise cut_short(self._node, ANSWER_BYTES, b"", b"")
                if self._end not in self._data:
                    self._take_changes()
                self._arrived.set()
            said = self._stream.stderr.decode("utf-8", "replace").strip()[-200:]
            self.lost = LinkError(self._node, f"its shell ended{said and ': ' + said}")
        except LinkError as error:
            self.lost = error
        self._arrived.set()
        self._noticed()


@asynccontextmanager
async def converse(
    link: Link, fleet: str, scripts: Mapping[str, NodeScript], noticed: Callable[[], object]
) -> AsyncIterator[Conversation]:
    """Open a conversation over ``link``; it ends with the context, on the node too.

    :raises LinkError: the node is lost.
    """
    token = secrets.token_hex(6)
    functions = "".join(f"ask_{name}() {{\n{s.text}\n}}\n" for name, s in scripts.items())
    text = _TEXT % {
        "functions": functions,
        "state": STATE.removeprefix("~/"),
        "fleet": fleet,
        "node": link.node,
        "token": token,
        "pause": CHANGE_CHECK_S,
    }
    async with link.stream(text) as stream:
        stream.write(b"\n")  # for a start-up file that asks a question: it would wait for ever
        conversation = Conversation(link.node, stream, token, scripts, noticed)
        listening = asyncio.create_task(conversation.listen())
        try:
            yield conversation
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
