"""Running a POSIX sh script through any login shell.

The account's login shell may be bash, zsh, fish or csh, and its start-up files may print. So the
script is sent as octal escapes in one single-quoted word, without quotes, newlines, ``!`` or other
characters that these shells would change; ``sh`` runs it, and its output begins after a mark. A
script whose end must be known runs in a subshell, after which ``sh`` prints a second mark: a child
that a start-up file left behind may keep the channel open for ever.
Words inside a script are quoted by :mod:`fleetctl.quoting`.
"""

from __future__ import annotations

import re
import secrets
import string

from msgspec import Struct

START = re.compile(rb"\x1efleetctl\x1e\r?\n")
"""The mark that every script prints first, on stdout and stderr; what precedes it is noise of the
login shell's start-up files."""

_MARK = r"printf '\036fleetctl\036\n'; "
_MARK_STDERR = r"printf '\036fleetctl\036\n' >&2; "
_PATH = (
    'PATH="$PATH:/opt/homebrew/bin:/usr/local/bin:$HOME/.local/bin:/usr/sbin:/sbin"; export PATH\n'
)
# Non-interactive SSH lacks /opt/homebrew/bin on macOS and /usr/sbin on Debian. These are appended,
# so that the user's own PATH has priority.

_NOISE_KEPT = 64 * 1024

_SAFE = (string.ascii_letters + string.digits + " _./:=,@+{}()[]<>;&|?*#~^-").encode()


def prelude(*, terminal: bool = False) -> str:
    """The text before every script; on a terminal, with only one stream, it prints one mark."""
    return _MARK + ("" if terminal else _MARK_STDERR) + _PATH


_ENDED = r"""s=$?; for l in 1 2; do printf "\036fleetctl TOKEN\036\n" >&$l; done; exit $s"""
_LONG = 96 * 1024
# Linux passes on no argument of more than 128 KiB (MAX_ARG_STRLEN, execve(2))
_TORN = (
    r"""for l in 1 2; do printf "\036fleetctl\036\n" >&$l; done; echo "less of the command """
    r"""arrived than was sent: a start-up file of the account reads stdin" >&2; exit 65"""
)


class Sent(Struct, frozen=True):
    """How a script is sent."""

    line: str
    """For the login shell."""
    first: bytes = b""
    """Goes over stdin before what the script reads: a script that is too long for an argument."""
    end: str = ""
    """The token of the mark that follows its output."""


def sent(script: str) -> Sent:
    """How to send ``script``, so that a mark follows its output, on stdout and stderr."""
    encoded = _encoded(script)
    long = len(encoded) > _LONG
    text, first, given = f'"{encoded}"', b"", ""
    if long:  # read as one line, which sh does byte by byte; whole if both ends are there
        text, first = '"${l%?}"', f" {encoded}@\n".encode()
        given = f'IFS= read -r l; case $l in " "*@) ;; *) {_TORN} ;; esac; '
    # a shell of its own, so that the mark comes, too, where a script ends its shell ($$)
    run = f'sh -c "$(printf %b {text})"'
    if long:
        run = f'(eval "$(printf %b {text})")'
    token = secrets.token_hex(6)
    return Sent(f"exec sh -c '{given}{run}; {_ENDED.replace('TOKEN', token)}'", first, token)


def command_line(script: str, *, terminal: bool = False) -> str:
    """The line for the login shell that makes ``sh`` run ``script``, which can use stdin."""
    return f"""exec sh -c 'eval "$(printf %b "{_encoded(script, terminal=terminal)}")"'"""


def _encoded(script: str, *, terminal: bool = False) -> str:
    # surrogateescape: arguments of the command line may contain bytes that are no UTF-8
    whole = (prelude(terminal=terminal) + script).encode("utf-8", "surrogateescape")
    unsafe = set(whole.translate(None, _SAFE))
    # the backslash, which is in every escape, before the others
    for byte in sorted(unsafe, key=lambda byte: byte != ord("\\")):
        whole = whole.replace(bytes([byte]), b"\\0%03o" % byte)
    return whole.decode()


def local_argv(script: str, *, terminal: bool = False) -> tuple[str, ...]:
    """The arguments that run ``script`` on this machine, with the same prelude."""
    return ("/bin/sh", "-c", prelude(terminal=terminal) + script)


class ScriptOutput:
    """Of a stream of bytes what a script printed: what is between its marks.

    :param end: the token of the end mark; empty: it has none.
    """

    def __init__(self, end: str = "") -> None:
        self._noise = NoiseFilter()
        self._end = f"\x1efleetctl {end}\x1e\n".encode() if end else b""
        self._held = b""
        """May be the beginning of the end mark."""
        self.ended = False
        """The end mark came."""

    @property
    def started(self) -> bool:
        """The start mark came."""
        return self._noise.started

    @property
    def noise(self) -> bytes:
        """What came before the script, or its end."""
        return self._noise.noise

    def feed(self, data: bytes) -> bytes:
        """The part of a chunk that the script printed."""
        if self.ended:
            return b""
        data = self._noise.feed(data)
        if not self._end:
            return data
        data = self._held + data
        place = data.find(self._end)
        if place >= 0:
            self.ended, self._held = True, b""
            return data[:place]
        place = data.find(b"\x1e", max(0, len(data) - len(self._end) + 1))
        while place >= 0 and not self._end.startswith(data[place:]):
            place = data.find(b"\x1e", place + 1)
        place = len(data) if place < 0 else place
        self._held = data[place:]
        return data[:place]

    def rest(self) -> bytes:
        """What is left at the end of the stream."""
        held, self._held = self._held, b""
        return held


class NoiseFilter:
    """Drops what precedes :data:`START` in a stream of bytes.

    :meth:`feed` returns the part of a chunk that belongs to the script. If ``started`` is false at
    the end of the stream, the script did not run, and ``noise`` is what the login shell printed.
    """

    def __init__(self) -> None:
        self.started = False
        self.noise = b""

    def feed(self, data: bytes) -> bytes:
        if self.started:
            return data
        self.noise += data
        start = START.search(self.noise)
        if start is None:
            self.noise = self.noise[-_NOISE_KEPT:]
            return b""
        after = self.noise[start.end() :]
        self.started, self.noise = True, self.noise[: start.start()]
        return after
