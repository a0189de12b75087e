"""The entry point. ``--version``, and a status that `fleetctl serve` has ready, are answered before
anything else is imported."""

from __future__ import annotations

import os
import sys

from fleetctl.serve.quick import served, status_asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from fleetctl.streams import OutputLost


def main() -> None:
    """Run the command line and end the process with its exit code."""
    asked = status_asked(sys.argv[1:])
    if asked and (found := served(*asked)) and _written(found[1]):
        os._exit(0 if found[0] else 1)
    from fleetctl.streams import OutputLost, Streams

    try:
        streams = Streams()
    except OutputLost as closed:
        _end(1, closed)
    code = _run(sys.argv[1:])
    # Everything is closed by now. A regular exit would only free memory, which takes a tenth of a
    # short command's time.
    _end(code, streams.flush())


def _written(text: bytes) -> bool:
    """Whether the whole text went to stdout; if nothing can, what follows will say so."""
    left = memoryview(text)
    try:
        while left:
            left = left[os.write(1, left) :]
    except BrokenPipeError:  # the reader has read enough
        os._exit(0)
    except OSError:
        return False
    return True


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
        from fleetctl.loading import uncollected

        with held_back(), uncollected():
            from fleetctl.cli import run
        return run(arguments)
    except KeyboardInterrupt:  # Ctrl-C while modules are still being imported
        sys.stderr.write("interrupted\n")
        return 130


if __name__ == "__main__":
    main()
