"""tmux on the nodes, controlled with libtmux over a link; only this package imports libtmux."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

# libtmux reads sys.stdout.encoding when it is imported; the dashboard replaces sys.stdout by an
# object without one.
with redirect_stdout(sys.__stdout__):
    import libtmux as libtmux
