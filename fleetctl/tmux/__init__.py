"""tmux on the nodes, driven by libtmux over a link; nothing outside this package knows libtmux."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

# libtmux asks for sys.stdout.encoding while it is imported; what stands there while the dashboard
# has the terminal has none.
with redirect_stdout(sys.__stdout__):
    import libtmux as libtmux
