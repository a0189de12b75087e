"""Running a POSIX sh script through any login shell.

The account's login shell may be bash, zsh, fish or csh, and its start-up files may print. So the
script is sent as octal escapes in one single-quoted word, without quotes, newlines, ``!`` or other
characters that these shells would change; ``sh`` runs it, and its output begins after a mark.
Words inside a script are quoted by :mod:`fleetctl.quoting`.
"""

from __future__ import annotations

import re

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

_UNSAFE = re.compile(rb"[^A-Za-z0-9 _./:=,@+{}()\[\]<>;&|?*#~^-]")
_ESCAPES = {bytes([byte]): b"\\0%03o" % byte for byte in range(256)}


def prelude(*, terminal: bool = False) -> str:
    """The text before every script; on a terminal, with only one stream, it prints one mark."""
    return _MARK + ("" if terminal else _MARK_STDERR) + _PATH


def command_line(script: str, *, terminal: bool = False) -> str:
    """The line for the login shell that makes ``sh`` run ``script``, which can use stdin."""
    # surrogateescape: arguments of the command line may contain bytes that are no UTF-8
    whole = (prelude(terminal=terminal) + script).encode("utf-8", "surrogateescape")
    encoded = _UNSAFE.sub(lambda m: _ESCAPES[m[0]], whole)
    return f"""exec sh -c 'eval "$(printf %b "{encoded.decode()}")"'"""


def local_argv(script: str, *, terminal: bool = False) -> tuple[str, ...]:
    """The arguments that run ``script`` on this machine, with the same prelude."""
    return ("/bin/sh", "-c", prelude(terminal=terminal) + script)


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
