"""Recorded host keys, and whether the one that a host shows is among them, as OpenSSH judges it.

The format is described in sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; what follows from the entries is
in OpenSSH's hostfile.c (``check_key_in_hostkeys``) and sshconnect.c (``check_host_key``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import stat
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import asyncssh
from asyncssh.public_key import decode_ssh_certificate, decode_ssh_public_key
from msgspec import Struct
from msgspec.structs import replace

USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")

Verdict = Literal["ok", "unknown", "changed", "revoked"]
Marker = Literal["", "@cert-authority", "@revoked"]

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


def fingerprint(key: bytes) -> str:
    """Of a key as SSH sends it, as ``ssh-keygen -l`` prints it."""
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode()
    return f"SHA256:{digest.rstrip('=')}"


class Entry(Struct, frozen=True):
    """A line of a known_hosts file."""

    file: str
    """As the user names it."""
    number: int
    """Of the line, from 1."""
    marker: Marker
    hosts: str
    key: bytes
    """As SSH sends it (RFC 4253, section 6.6)."""

    @property
    def algorithm(self) -> str:
        """The type of the key, as in RFC 4253, section 6.6."""
        return self.key[4 : 4 + int.from_bytes(self.key[:4])].decode("ascii", "replace")

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key)

    @property
    def where(self) -> str:
        return f"line {self.number} of {self.file}"


class Judged(Struct, frozen=True):
    """What the recorded keys say of one that a host shows."""

    verdict: Verdict
    entries: tuple[Entry, ...] = ()
    """Those that the verdict rests on."""
    why_not: str = ""
    """Why the host's certificate does not count."""

    @property
    def trusted(self) -> bool:
        return self.verdict == "ok"


class Known(Struct, frozen=True):
    """The entries of some known_hosts files."""

    entries: tuple[Entry, ...]
    where: str
    """The first file, for messages."""
    keeps: bool = True
    """Whether ssh can record keys in that file."""

    def judge(self, host: str, port: int, alias: str | None, shown: bytes) -> Judged:
        """Whether ``shown``, a key or certificate as SSH sends it, is that of the host.

        What is recorded for its address does not count, as for ssh (``CheckHostIP no``).

        :param alias: ``HostKeyAlias``, which stands for host and port.
        """
        return self._check(recorded_names(host, port, alias), alias or host, shown)

    def _check(self, names: Sequence[str], host: str, shown: bytes) -> Judged:
        """
        :param names: as which the host may be recorded; the second only if the first is not.
        """
        name, *others = names
        key, certificate = _parts(shown)
        flaw = ""
        if certificate is not None:
            judged = self._certified(name, host, certificate)
            if judged.verdict in ("ok", "revoked"):
                return judged
            flaw = judged.why_not
            if not flaw and others and (later := self._check(others, host, shown)).trusted:
                return later
        judged = self._recorded(name, key)
        if judged.verdict == "unknown" and others:
            later = self._check(others, host, key)
            if later.trusted:
                return later
        return replace(judged, why_not=flaw)

    def _certified(self, name: str, host: str, certificate: Any) -> Judged:
        found = self.of(name)
        key, authority = certificate.key.public_data, certificate.signing_key.public_data
        revoked = [e for e in found if e.marker == "@revoked" and e.key in (key, authority)]
        if revoked:
            return Judged("revoked", tuple(revoked))
        signed = [e for e in found if e.marker == "@cert-authority" and e.key == authority]
        flaw = _flaw(certificate, host) if signed else ""
        return Judged("ok" if signed and not flaw else "unknown", tuple(signed), flaw)

    def _recorded(self, name: str, key: bytes) -> Judged:
        found = self.of(name)
        if revoked := [e for e in found if e.marker == "@revoked" and e.key == key]:
            return Judged("revoked", tuple(revoked))
        plain = [e for e in found if not e.marker]
        if same := [e for e in plain if e.key == key]:
            return Judged("ok", tuple(same))
        return Judged("changed" if plain else "unknown", tuple(plain))

    def of(self, recorded_as: str) -> list[Entry]:
        """The entries for a name, ``[name]:port`` if the port is not 22."""
        name = recorded_as.lower()
        return [entry for entry in self.entries if _matches(name, entry.hosts)]

    def algorithms(self, host: str, port: int, alias: str | None) -> list[str]:
        """The host key algorithms to ask for, as ``order_hostkeyalgs`` of OpenSSH's sshconnect.c
        has them: those first that can be verified, so that a host is not called unknown for
        another key that it has besides."""
        found = self.of(recorded_names(host, port, alias)[0])
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


def _parts(shown: bytes) -> tuple[bytes, Any]:
    """The key that a host proves to have, and its certificate if it shows one."""
    try:
        certificate: Any = decode_ssh_certificate(shown)
    except asyncssh.KeyImportError:
        return shown, None
    return certificate.key.public_data, certificate


def _flaw(certificate: Any, host: str) -> str:
    """Why a certificate of a known authority does not count for ``host``; empty: it does.

    As ``sshkey_cert_check_host`` of OpenSSH's sshkey.c.
    """
    try:
        certificate.validate(_HOST_CERTIFICATE, host.lower())
    except ValueError as error:
        return str(error)
    return ""


def decoded(shown: bytes) -> asyncssh.SSHKey:
    """The public key by which a host proves itself.

    :raises ValueError: it is none that asyncssh knows.
    """
    return decode_ssh_public_key(_parts(shown)[0])


# -- reading -------------------------------------------------------------------------------------


def _matches(name: str, hosts: str) -> bool:
    """As ``match_hostname`` and ``host_hash`` of OpenSSH; ``name`` is in small letters."""
    if hosts.startswith("|1|"):
        return _hashed(name, hosts)
    found = False
    for pattern in hosts.lower().split(","):
        unwanted = pattern.startswith("!")
        if _like(pattern.removeprefix("!"), name):
            if unwanted:
                return False
            found = True
    return found


def _like(pattern: str, name: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    written = "".join({"*": ".*", "?": "."}.get(c) or re.escape(c) for c in pattern)
    return re.fullmatch(written, name, re.DOTALL) is not None


def _hashed(name: str, hosts: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hosts[3:].split("|"))
    except (ValueError, Base64Error):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)


def _read(file: str) -> Iterator[Entry]:
    """The entries of a file. A line that cannot be read is passed over, as ssh does: a host without
    a key is unknown, never trusted."""
    for number, line in enumerate(_lines(file), 1):
        words = line.split(None, 4)
        marker: Marker = ""
        if words and words[0].startswith("@"):
            if words[0] not in ("@cert-authority", "@revoked"):
                continue
            marker = "@cert-authority" if words[0] == "@cert-authority" else "@revoked"
            words = words[1:]
        if len(words) < 3 or words[0].startswith("#"):
            continue
        try:
            entry = Entry(file, number, marker, words[0], base64.b64decode(words[2]))
        except (ValueError, Base64Error):
            continue
        if entry.algorithm == words[1]:
            yield entry


_Stamp = tuple[int, int] | None


class KnownHosts:
    """Loads known_hosts files, each combination once, and again after one of them has changed."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, ...], tuple[list[_Stamp], Known]] = {}

    def load(
        self, user_files: str | Sequence[str] | None, global_files: Sequence[str] | None
    ) -> Known:
        """The keys in ``user_files`` and ``global_files``; ``None`` for OpenSSH's defaults.

        Missing files are passed over: a host without a key is unknown, never trusted.
        """
        if isinstance(user_files, str):
            user_files = [user_files]
        user = tuple(USER_FILES if user_files is None else user_files)
        files = (*user, *(_GLOBAL if global_files is None else global_files))
        stamps = [_stamp(file) for file in files]
        if files not in self._loaded or self._loaded[files][0] != stamps:
            entries = tuple(entry for file in files for entry in _read(file))
            keeps = bool(user) and user[0] != "/dev/null"
            known = Known(entries, user[0] if user else "any known_hosts file", keeps)
            self._loaded[files] = (stamps, known)
        return self._loaded[files][1]


def _stamp(file: str) -> _Stamp:
    """A value that changes with the file; ``None``: it cannot be read."""
    try:
        found = Path(file).expanduser().stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _lines(file: str) -> list[str]:
    path = Path(file).expanduser()
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            return []
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
