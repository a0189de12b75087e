"""The host keys that an SSH server shows, beside those that are recorded for it."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from fleetctl.errors import HostKeyUnknown
from fleetctl.link.ssh.host_config import HostConfig
from fleetctl.link.ssh.host_keys import HostKeys, Judged, recorded_names
from fleetctl.link.ssh.known_hosts import fingerprint
from fleetctl.link.ssh.shown_key import ShownKey

_TYPES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""By type of key: the algorithms for it, without SHA-1 and without keys on hardware."""


class HostKey(Struct, frozen=True):
    """A public key of a server."""

    data: bytes
    """As SSH sends it (RFC 4253, section 6.6)."""

    @property
    def algorithm(self) -> str:
        return self.data[4 : 4 + int.from_bytes(self.data[:4])].decode("ascii", "replace")

    @property
    def title(self) -> str:
        """Its type as ``ssh-keygen -l`` has it, such as ``ED25519``."""
        return self.algorithm.removeprefix("ssh-").partition("-")[0].upper()

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        return fingerprint(self.data)

    @property
    def text(self) -> str:
        """As a line of known_hosts has it."""
        return f"{self.algorithm} {base64.b64encode(self.data).decode()}"


class ShownKeys(Struct, frozen=True):
    """What one server shows, and what of it is recorded."""

    keys: tuple[HostKey, ...]
    """Of each type that it has; of one that is trusted already only the key that ssh would ask
    for."""
    judged: Judged
    """Of the first key."""
    recorded_as: str
    """The name under which ssh records it."""
    file: str | None
    """Where ssh would record it; None: it keeps no host keys."""
    hashed: bool
    """ssh would record it under a hash of its name."""
    port: int


async def shown_keys(
    config: HostConfig,
    recorded: HostKeys,
    ask: Callable[[Sequence[str]], Awaitable[HostKeyUnknown]],
) -> ShownKeys:
    """Ask a server for its keys: once if the key is recorded, else for a key of each type.

    :param recorded: what decides whether a key of it counts.
    :param ask: lets it prove itself by one of some algorithms, or of those that ssh asks for.
    :raises LinkError: as ``ask`` does.
    """
    first = await ask(())
    shown = ShownKey.of(first.shown)
    judged = recorded.judge(shown)
    keys = [shown.public]
    if not judged.trusted:
        allowed = config.algorithms.get("server_host_key_algs")
        for algorithms in _TYPES:
            wanted = [one for one in algorithms if one in first.offered]
            if allowed is not None:
                wanted = [one for one in wanted if one in allowed]
            if wanted:
                keys.append((await ask(wanted)).shown)
    return ShownKeys(
        keys=tuple(HostKey(key) for key in dict.fromkeys(keys)),
        judged=judged,
        recorded_as=recorded_names(config.host, config.port, config.alias)[0].lower(),
        file=recorded.known.where if recorded.known.keeps else None,
        hashed=config.hash_names,
        port=config.port,
    )
