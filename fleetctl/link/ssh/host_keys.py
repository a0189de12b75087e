"""Whether the key that a host shows is its own, as OpenSSH judges it by what is recorded.

What follows from the entries of known_hosts files is in OpenSSH's hostfile.c
(``check_key_in_hostkeys``) and sshconnect.c (``check_host_key``).
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.link.ssh.known_hosts import Entry, Known
from fleetctl.link.ssh.revoked_keys import RevokedKeys
from fleetctl.link.ssh.shown_key import ShownKey

Verdict = Literal["ok", "unknown", "changed", "revoked"]

# OpenSSH's defaults (myproposal.h); asyncssh would take ssh-rsa with SHA-1, too
_KEYS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_CERTIFICATES = tuple(f"{key.partition('@')[0]}-cert-v01@openssh.com" for key in _KEYS)
_HOST_CERTIFICATE = 2  # SSH2_CERT_TYPE_HOST


class Judged(Struct, frozen=True):
    """What the recorded keys say of one that a host shows."""

    verdict: Verdict
    entries: tuple[Entry, ...] = ()
    """Those that the verdict rests on."""
    why_not: str = ""
    """Why the host's certificate does not count."""
    of_address: str = ""
    """The address whose entries these are, if its name is recorded otherwise."""

    @property
    def trusted(self) -> bool:
        return self.verdict == "ok"


class HostKeys(Struct, frozen=True):
    """What decides whether the key that a host shows is its own.

    :param alias: ``HostKeyAlias``, which stands for host and port.
    :param revoked: the file of ``RevokedHostKeys``.
    :param checks_address: ``CheckHostIP``: what is recorded for its address has a say, too.
    """

    known: Known
    host: str
    port: int
    alias: str | None = None
    revoked: RevokedKeys | None = None
    checks_address: bool = False

    def judge(self, shown: ShownKey, address: str | None = None) -> Judged:
        """Whether ``shown`` is that of the host.

        :param address: from which it is shown; None: through a proxy, so that it is not known.
        """
        if self.revoked and (line := self.revoked.line_of(shown)):
            entry = Entry(self.revoked.file, line, "@revoked", "*", shown.public)
            return Judged("revoked", (entry,))
        addresses: Sequence[str] = ()
        if self.checks_address and address and not ip_address(address).is_loopback:
            addresses = recorded_names(address, self.port, None)
        names = recorded_names(self.host, self.port, self.alias)
        return self._check(names, shown, addresses)

    def _check(self, names: Sequence[str], shown: ShownKey, addresses: Sequence[str]) -> Judged:
        """
        :param names: as which the host may be recorded; the second only if the first is not.
        :param addresses: as which its address may be; not asked for where a certificate is shown.
        """
        name, *others = names
        flaw = ""
        if shown.certificate:
            judged = self._certified(name, shown)
            if judged.verdict in ("ok", "revoked"):
                return judged
            flaw = judged.why_not
            if not flaw and others and (later := self._check(others, shown, ())).trusted:
                return later
        judged = self._recorded(name, shown.public)
        if judged.verdict == "unknown" and others:
            later = self._check(others, ShownKey(shown.key), addresses[1:])
            if later.trusted:
                judged = later
            elif later.of_address:
                return later
        if addresses and not shown.certificate and judged.trusted:
            of_address = self._recorded(addresses[0], shown.public)
            if of_address.verdict == "changed":
                return replace(of_address, of_address=addresses[0])
        return replace(judged, why_not="" if judged.trusted else flaw)

    def _certified(self, name: str, shown: ShownKey) -> Judged:
        found = self.known.of(name)
        either = (shown.public, shown.authority)
        revoked = [e for e in found if e.marker == "@revoked" and e.key in either]
        if revoked:
            return Judged("revoked", tuple(revoked))
        signed = [e for e in found if e.marker == "@cert-authority" and e.key == either[1]]
        flaw = _flaw(shown.certificate, self.alias or self.host) if signed else ""
        return Judged("ok" if signed and not flaw else "unknown", tuple(signed), flaw)

    def _recorded(self, name: str, key: bytes) -> Judged:
        found = self.known.of(name)
        if revoked := [e for e in found if e.marker == "@revoked" and e.key == key]:
            return Judged("revoked", tuple(revoked))
        plain = [e for e in found if not e.marker]
        if same := [e for e in plain if e.key == key]:
            return Judged("ok", tuple(same))
        return Judged("changed" if plain else "unknown", tuple(plain))

    def algorithms(self) -> list[str]:
        """The host key algorithms to ask for, as ``order_hostkeyalgs`` of OpenSSH's sshconnect.c
        has them: those first that can be verified, so that a host is not called unknown for
        another key that it has besides."""
        found = self.known.of(recorded_names(self.host, self.port, self.alias)[0])
        kinds = {entry.algorithm for entry in found if not entry.marker}
        if _KEYS[0] in kinds:
            return [*_CERTIFICATES, *_KEYS]
        signed = any(entry.marker == "@cert-authority" for entry in found)
        known = [one for one in _KEYS if _key_type(one) in kinds]
        first = (*_CERTIFICATES, *known) if signed else known
        return list(dict.fromkeys((*first, *_CERTIFICATES, *_KEYS)))


def recorded_names(host: str, port: int, alias: str | None) -> Sequence[str]:
    """As which a host may be recorded; the first is the one that ssh writes."""
    if alias or port == 22:
        return [alias or host]
    return [f"[{host}]:{port}", host]


def _key_type(algorithm: str) -> str:
    """The type of the keys that prove themselves by ``algorithm`` (RFC 8332 for RSA)."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _flaw(certificate: Any, host: str) -> str:
    """Why a certificate of a known authority does not count for ``host``; empty: it does.

    As ``sshkey_cert_check_host`` of OpenSSH's sshkey.c.
    """
    try:
        certificate.validate(_HOST_CERTIFICATE, host.lower())
    except ValueError as error:
        return str(error)
    return ""
