"""The link over SSH: the only package that imports asyncssh and maps its errors."""

from __future__ import annotations

import ctypes.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, cast

from fleetctl.loading import hollow, lacking

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder


class _Quicker:
    """Imports asyncssh without its search for the libraries liboqs and nettle, X.509, and SFTP.

    The search runs ldconfig, gcc and ld, which takes a tenth of the time of ``fleetctl status`` on
    a small fleet. The libraries are not needed: the post-quantum mlkem768x25519 comes with the
    cryptography package, and every server supports another MAC than nettle's UMAC.

    Without pyOpenSSL asyncssh has no X.509 certificates, which OpenSSH has not either; to find that
    out, it would import a quarter of the cryptography package. SFTP and SCP are a fifth of
    asyncssh, and fleetctl uses neither.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = PathFinder.find_spec(name, path) if name == "asyncssh" else None
        if found and found.loader:
            self._spec, self._loader = found, found.loader
            found.loader = cast("Loader", self)
        return found

    def create_module(self, spec: ModuleSpec) -> None:
        """As usual."""

    def exec_module(self, module: ModuleType) -> None:
        sys.meta_path.remove(cast("MetaPathFinder", self))
        self._spec.loader = self._loader
        search = ctypes.util.find_library
        ctypes.util.find_library = lambda name: None
        try:
            with lacking("asyncssh.crypto.x509"), hollow("asyncssh.sftp", "asyncssh.scp"):
                self._loader.exec_module(module)
        finally:
            ctypes.util.find_library = search


if "asyncssh" not in sys.modules:  # which takes long: what comes before it need not wait for it
    sys.meta_path.insert(0, cast("MetaPathFinder", _Quicker()))
