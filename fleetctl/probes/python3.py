"""Running a program by the python3 of a node."""

from __future__ import annotations

from fleetctl.quoting import quote

# Without developer tools a Mac's /usr/bin/python3 is a stand-in that opens a dialogue.
_FIND = """\
p=$(command -v python3) || { echo '{"error": "it has no python3"}'; exit 0; }
if [ "$p" = /usr/bin/python3 ] && [ -e /usr/bin/xcode-select ]; then
xcode-select -p >/dev/null 2>&1 || { echo '{"error": "it has no python3"}'; exit 0; }
fi
"""


def python3(program: str) -> str:
    """A POSIX sh text that becomes ``program``, which needs nothing but the standard library.

    Without a python3 it prints a line of JSON, with the key ``error``, and ends with 0.
    """
    return f'{_FIND}exec "$p" -I -S -c {quote(program)}\n'
