"""The terminal on which something takes the whole screen: whether it can, and how it gets it back.

What is killed with SIGKILL cannot give the terminal back. A shell repairs line editing then, but no
mouse reports, alternate screen or bracketed paste; another parent repairs nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from fleetctl.errors import UsageError

PLAIN_SCREEN = (
    "\x1b[?2026l\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[?7h\x1b[0m"
)
"""Leaves the alternate screen, shows the cursor, wraps lines; ends synchronized output, mouse,
focus and paste modes, reports of the size and of keys (xterm's ctlseqs; kitty's keyboard
protocol)."""
_NAMES = ("stdin", "stdout", "stderr")
_CANNOT_MOVE_THE_CURSOR = ("dumb", "unknown")

KILLED = "fleetctl: the dashboard was killed; what was started runs on: fleetctl status"
_SETTLED_S = 0.3
"""By then a shell has repaired what it does repair."""
# Nobody has repaired it if all is as the dashboard left it, and keys send no signals: readline and
# zle, which would be disturbed, change the one or the other.
_GUARD = f"""\
exec 3<&1
read -r left && exit
printf '%s\\r\\n' "$2" "{KILLED}"
found=$(stty -g <&3)
sleep {_SETTLED_S:g}
[ "$(stty -g <&3)" = "$found" ] || exit
for word in $(stty -a <&3); do
    [ "$word" != -isig ] || stty "$1" <&3
done
"""


def has_screen() -> bool:
    """Whether stdin and stdout are a terminal on which a cursor can be moved."""
    movable = os.environ.get("TERM") not in _CANNOT_MOVE_THE_CURSOR
    return movable and all(os.isatty(fd) for fd in (0, 1))


def require_screen(what: str, *, instead: str, fds: Sequence[int] = (0, 1)) -> None:
    """
    :param what: what needs it, as the subject of a sentence.
    :param instead: what does without.
    :param fds: what must be the terminal, of stdin, stdout and stderr.
    :raises UsageError: there is no terminal, or none on which a cursor can be moved.
    """
    missing = [name for fd, name in enumerate(_NAMES) if fd in fds and not os.isatty(fd)]
    if missing == ["stderr"]:
        raise UsageError(f"{what} needs a terminal, also as stderr", hint=instead)
    if missing:
        raise UsageError(f"{what} needs a terminal", hint=instead)
    term = os.environ.get("TERM", "")
    if term in _CANNOT_MOVE_THE_CURSOR:
        raise UsageError(
            f"{what} needs a terminal that can move its cursor, and TERM={term} is none",
            hint=instead,
        )


@contextmanager
def given_back() -> Iterator[None]:
    """While inside, a small process waits for a sudden end of this one, and repairs the terminal
    then. It is in a session of its own, so that no key ends it."""
    guard = None
    with suppress(OSError, subprocess.SubprocessError):  # no stty, or no more processes
        as_it_was = subprocess.run(
            ["stty", "-g"], stdin=sys.stdin.fileno(), capture_output=True, text=True, check=True
        ).stdout.strip()
        guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "fleetctl", as_it_was, PLAIN_SCREEN],
            stdin=subprocess.PIPE,
            stdout=sys.stdout.fileno(),
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
    try:
        yield
    finally:
        if guard:
            with suppress(OSError, subprocess.SubprocessError):
                guard.communicate(b"left\n", timeout=1)
