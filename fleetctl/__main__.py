"""The entry point. ``--version`` is answered before anything else is imported."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def main() -> None:
    """Run the command line and end the process with its exit code."""
    if sys.argv[1:] == ["--version"]:
        from fleetctl import __version__

        sys.stdout.write(f"fleetctl {__version__}\n")
        return
    try:
        from fleetctl.interrupts import held_back

        with held_back():
            from fleetctl.cli import run
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # Ctrl-C while modules are still being imported
        sys.stderr.write("interrupted\n")
        code = 130
    # Everything is closed by now. A regular exit would only free memory, which takes a tenth of a
    # short command's time.
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
