"""Running a program by the python3 of a node, where nothing of fleetctl is."""

from __future__ import annotations

from functools import cache

from fleetctl.package_files import package_text
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


@cache
def one_program(names: tuple[str, ...]) -> str:
    """Modules as one program, which imports nothing of fleetctl.

    :param names: their files, from fleetctl's folder on: each behind those that it imports, whose
        names it must import in one line.
    """
    first, *more = (package_text(name) for name in names)
    return _without(first, "from fleetctl.") + "".join(
        _without(text, "from fleetctl.", "from __future__") for text in more
    )


def _without(text: str, *imports: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(imports))
