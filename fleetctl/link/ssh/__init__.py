"""The link over SSH: the only package that imports asyncssh and maps its errors."""

from __future__ import annotations

import ctypes.util
import sys
from types import ModuleType
from typing import cast

_X509 = "asyncssh.crypto.x509"


def _import_asyncssh() -> None:
    """Import asyncssh without its search for the libraries liboqs and nettle, and without X.509.

    The search runs ldconfig, gcc and ld, which takes a tenth of the time of ``fleetctl status`` on
    a small fleet. The libraries are not needed: the post-quantum mlkem768x25519 comes with the
    cryptography package, and every server supports another MAC than nettle's UMAC.

    Without pyOpenSSL asyncssh has no X.509 certificates, which OpenSSH has not either; to find that
    out, it would import a quarter of the cryptography package.
    """
    search = ctypes.util.find_library
    sys.modules[_X509] = cast(ModuleType, None)  # its import fails, as for want of pyOpenSSL
    ctypes.util.find_library = lambda name: None
    try:
        import asyncssh  # noqa: F401  # for its effect: it is in sys.modules from here on
    finally:
        ctypes.util.find_library = search
        del sys.modules[_X509]


_import_asyncssh()
