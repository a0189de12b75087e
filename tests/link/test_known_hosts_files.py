"""What a known_hosts file has for a name, however many lines it has."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.link.ssh.known_hosts import KnownFile, KnownHosts
from tests.link.test_known_hosts import hashed

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHiQLcynihuL4Y4ut57zIQsbhDTNfD1HLUMZZnxjRj3j"
NAMES = ["pi", "pi4", "[pi4]:2222", "a"]
HOSTS = [*NAMES, "PI4", "pi*", "!pi4,*", "x,pi4,y", "?i4", hashed("pi4"), "xpi4", "pi4x", "*,!a"]
LINES = [
    *(f"{mark}{host} {KEY}" for host in HOSTS for mark in ("", "@revoked ", " \t", "#")),
    "", "pi4", f"other {KEY} of pi4 *", "pi4 ssh-ed25519 AAAA", f"pi4 {KEY}\r", "@what pi4 x y",
    f"other\x0bpi4 {KEY}", f"caf\xe9,pi4 {KEY}", "|1|torn|pi4", f"pi4\x85 {KEY}",
]  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=12), st.sampled_from(NAMES), st.booleans())
def test_a_file_has_for_a_name_what_its_lines_have(lines: list[str], name: str, ends: bool) -> None:
    written = [line.encode("latin-1") for line in lines]
    whole = KnownFile("f", b"\n".join(written) + (b"\n" if ends else b""))
    found = [(entry.number, entry.hosts) for entry in whole.of(name)]
    each = [(n, KnownFile("f", line).of(name)) for n, line in enumerate(written, 1)]
    assert found == [(n, entry.hosts) for n, entries in each for entry in entries]


@given(st.binary(max_size=200), st.sampled_from(NAMES))
def test_any_bytes_are_read(content: bytes, name: str) -> None:
    numbers = [entry.number for entry in KnownFile("f", content).of(name)]
    assert all(1 <= number <= content.count(b"\n") + 1 for number in numbers)


def test_a_name_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    content = f"{hashed('x')} {KEY}\n{hashed('pi4')} {KEY}\n".encode()
    real = hmac.digest
    made = 0

    def counted(key: bytes, text: bytes, digest: str) -> bytes:
        nonlocal made
        made += 1
        return real(key, text, digest)

    monkeypatch.setattr(hmac, "digest", counted)
    file = KnownFile("f", content)
    for _ in range(2):
        assert [entry.number for entry in file.of("pi4")] == [2]
        assert made == 3  # one more to be sure of the line that matches


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "known"
    path.write_text(f"pi4 {KEY}\n")
    loader = KnownHosts()
    first = loader.load(str(path), [])
    assert loader.load([str(path)], [str(tmp_path / "none")]).files[0] is first.files[0]
    path.write_text(f"pi5 {KEY}\n")
    os.utime(path, ns=(1, 1))
    assert loader.load(str(path), []).of("pi4") == []
    assert len(loader.load(str(path), []).of("PI5")) == 1
    path.unlink()
    assert loader.load(str(path), []).of("pi5") == []
