"""The link over SSH: the only package that imports asyncssh and maps its errors."""

from __future__ import annotations

import ctypes.util


def _import_asyncssh() -> None:
    """Import asyncssh without its search for the libraries liboqs and nettle.

    The search runs ldconfig, gcc and ld, which takes a tenth of the time of ``fleetctl status`` on
    a small fleet. The libraries are not needed: the post-quantum mlkem768x25519 comes with the
    cryptography package, and every server supports another MAC than nettle's UMAC.
    """
    search = ctypes.util.find_library
    ctypes.util.find_library = lambda name: None
    try:
        import asyncssh  # noqa: F401  # for its effect: it is in sys.modules from here on
    finally:
        ctypes.util.find_library = search


_import_asyncssh()
