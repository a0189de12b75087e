"""The entry point. ``--version`` is answered before anything else is imported."""

from __future__ import annotations

import os
import sys

from fleetctl.streams import OutputLost, Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        streams = Streams()
    except OutputLost as closed:
        _end(1, closed)
    code = _run(sys.argv[1:])
    # Everything is closed by now. A regular exit would only free memory, which takes a tenth of a
    # short command's time.
    _end(code, streams.flush())


def _end(code: int, lost: OutputLost | None) -> NoReturn:
    if lost:
        sys.stderr.write(f"fleetctl: {lost}\n")
        sys.stderr.flush()
        code = code or lost.exit_code
    os._exit(code)


def _run(arguments: list[str]) -> int:
    try:
        if arguments == ["--version"]:
            from fleetctl import __version__

            sys.stdout.write(f"fleetctl {__version__}\n")
            return 0
        from fleetctl.interrupts import held_back

        with held_back():
            from fleetctl.cli import run
        return run(arguments)
    except KeyboardInterrupt:  # Ctrl-C while modules are still being imported
        sys.stderr.write("interrupted\n")
        return 130


if __name__ == "__main__":
    main()
