"""A host key or certificate as SSH sends it."""

from __future__ import annotations

from typing import Any

import asyncssh
from asyncssh.public_key import decode_ssh_certificate, decode_ssh_public_key
from msgspec import Struct


class ShownKey(Struct, frozen=True):
    """What a host proves itself by."""

    key: asyncssh.SSHKey
    """The public key; of a certificate the one that it is for."""
    certificate: Any = None
    """asyncssh's, if it is one."""

    @classmethod
    def of(cls, sent: bytes) -> ShownKey:
        """
        :param sent: see RFC 4253, section 6.6, and OpenSSH's PROTOCOL.certkeys.
        :raises asyncssh.KeyImportError: it is neither that asyncssh knows.
        """
        try:
            certificate: Any = decode_ssh_certificate(sent)
        except asyncssh.KeyImportError:
            return cls(decode_ssh_public_key(sent))
        return cls(certificate.key, certificate)

    @property
    def public(self) -> bytes:
        """The key, without what certifies it."""
        return self.key.public_data

    @property
    def authority(self) -> bytes | None:
        """The key that signed the certificate."""
        return self.certificate.signing_key.public_data if self.certificate else None
