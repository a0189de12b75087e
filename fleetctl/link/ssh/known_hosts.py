"""Recorded host keys: the entries that known_hosts files have for a name, as OpenSSH finds them.

The format is described in sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". Files may have tens of thousands
of lines, many of them hashed: each is read once, and only lines that may be about a name that is
asked for are looked at.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import stat
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from msgspec import Struct

from fleetctl.local_files import read_bounded

USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_MOST_BYTES = 256 * 2**20

Marker = Literal["", "@cert-authority", "@revoked"]

_HASHED = re.compile(rb"\|1\|([^|\s]*)\|([^|\s]*)")
_BEFORE_NAME, _BEHIND_NAME = b"\n\r\t ,", b"\r\n\t ,"


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


class KnownFile:
    """One known_hosts file.

    :param file: as the user names it.
    """

    def __init__(self, file: str, content: bytes) -> None:
        self._file = file
        self._content = content
        self._found: dict[str, list[Entry]] = {}

    def of(self, name: str) -> list[Entry]:
        """The entries for a name in small letters. A line that cannot be read is passed over, as
        ssh does: a host without a key is unknown, never trusted."""
        if name not in self._found:
            encoded = name.encode("utf-8", "surrogateescape")
            starts = {*self._with_patterns, *self._naming(encoded), *self._hashed_of(encoded)}
            lines = (self._entry(start) for start in sorted(starts))
            self._found[name] = [e for e in lines if e and _matches(name, e.hosts)]
        return self._found[name]

    # which lines may be about a name, by their places in the file

    @cached_property
    def _in_small_letters(self) -> bytes:
        return self._content.lower()

    @cached_property
    def _with_patterns(self) -> frozenset[int]:
        found = (place for mark in (b"*", b"?") for place in _places(self._content, mark))
        return frozenset(map(self._line_start, found))

    @cached_property
    def _hashed(self) -> list[tuple[bytes, bytes, int]]:
        """Salt, digest and place of each hashed name."""
        found = []
        for match in _HASHED.finditer(self._content):
            try:
                found.append((a2b_base64(match[1]), a2b_base64(match[2]), match.start()))
            except Base64Error:
                continue
        return found

    def _naming(self, name: bytes) -> Iterator[int]:
        text = self._in_small_letters
        for place in _places(text, name):
            before, behind = text[place - 1 : place], text[place + len(name) :][:1]
            if before in _BEFORE_NAME and behind in _BEHIND_NAME:
                yield self._line_start(place)

    def _hashed_of(self, name: bytes) -> Iterator[int]:
        made = hmac.digest
        found = [
            place for salt, digest, place in self._hashed if made(salt, name, "sha1") == digest
        ]
        return map(self._line_start, found)

    def _line_start(self, place: int) -> int:
        return self._content.rfind(b"\n", 0, place) + 1

    def _entry(self, start: int) -> Entry | None:
        """The line that begins at ``start``; None: it is no entry."""
        end = self._content.find(b"\n", start)
        words = self._content[start : end if end >= 0 else None].split(None, 4)
        marker: Marker = ""
        if words and words[0].startswith(b"@"):
            if words[0] not in (b"@cert-authority", b"@revoked"):
                return None
            marker = "@cert-authority" if words[0] == b"@cert-authority" else "@revoked"
            words = words[1:]
        if len(words) < 3 or words[0].startswith(b"#"):
            return None
        try:
            key = base64.b64decode(words[2])
        except (ValueError, Base64Error):
            return None
        number = self._content.count(b"\n", 0, start) + 1
        hosts = words[0].decode("utf-8", "surrogateescape")
        entry = Entry(self._file, number, marker, hosts, key)
        return entry if entry.algorithm.encode() == words[1] else None


def _places(text: bytes, word: bytes) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + len(word))


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


class Known(Struct, frozen=True):
    """The entries of some known_hosts files."""

    files: tuple[KnownFile, ...]
    where: str
    """The first file, for messages."""
    keeps: bool = True
    """Whether ssh can record keys in that file."""

    def of(self, recorded_as: str) -> list[Entry]:
        """The entries for a name, ``[name]:port`` if the port is not 22."""
        name = recorded_as.lower()
        return [entry for file in self.files for entry in file.of(name)]


_Stamp = tuple[int, int, int] | None


class KnownHosts:
    """Loads known_hosts files, each once, and again after it has changed."""

    def __init__(self) -> None:
        self._loaded: dict[str, tuple[_Stamp, KnownFile]] = {}

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
        keeps = bool(user) and user[0] != "/dev/null"
        where = user[0] if user else "any known_hosts file"
        return Known(tuple(map(self._file, files)), where, keeps)

    def _file(self, file: str) -> KnownFile:
        path = Path(file).expanduser()
        stamp = _stamp(path)
        if file not in self._loaded or self._loaded[file][0] != stamp:
            self._loaded[file] = (stamp, KnownFile(file, _content(path) if stamp else b""))
        return self._loaded[file][1]


def _stamp(path: Path) -> _Stamp:
    """A value that changes with the file; ``None``: it is none, or there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _content(path: Path) -> bytes:
    try:
        return read_bounded(path, _MOST_BYTES)
    except OSError:
        return b""
