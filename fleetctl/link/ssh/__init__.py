"""The link over SSH: the only package that imports asyncssh, and the one table of its errors."""

from __future__ import annotations

import ctypes.util


def _import_asyncssh() -> None:
    """Import asyncssh without its search for liboqs.

    The search runs ldconfig, gcc and ld, a tenth of the time ``fleetctl status`` takes on a small
    fleet; what it would find (post-quantum sntrup761) is not needed, since the post-quantum
    mlkem768x25519 comes with the cryptography package.
    """
    search = ctypes.util.find_library
    ctypes.util.find_library = lambda name: None if name in ("oqs", "liboqs") else search(name)
    try:
        import asyncssh  # noqa: F401  # for its effect: it is in sys.modules from here on
    finally:
        ctypes.util.find_library = search


_import_asyncssh()
