"""What nodes.yaml says is kept for the next command."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from fleetctl.config import load
from fleetctl.config.kept_tree import NAME
from fleetctl.errors import ConfigError
from fleetctl.local_files import cache_file

TEXT = """fleet: home
networks: {lan: {cidr: 10.0.0.0/24}}
defaults: &usual
  ssh: {user: pi}
nodes:
  pi4: {ssh: {host: 10.0.0.4}, addresses: {lan: 10.0.0.4}}
  pi5: {ssh: {host: "10.0.0.5"}}
jobs:
  work: {services: {w: {on: [pi4, pi5], command: "sleep 1", env: {A: '1'}}}}
"""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = cache_file(NAME)
    assert file
    return file


@pytest.fixture
def nodes_yaml(tmp_path: Path) -> Path:
    file = tmp_path / "nodes.yaml"
    file.write_text(TEXT)
    return file


def test_it_is_read_to_the_same_fleet_without_the_yaml_library(
    kept: Path, nodes_yaml: Path
) -> None:
    first = load(nodes_yaml)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert load(nodes_yaml) == first
    code = (
        "import sys, pathlib\nfrom fleetctl.config import load\n"
        f"assert load(pathlib.Path({str(nodes_yaml)!r})).name == 'home'\n"
        "sys.exit('yaml' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ, timeout=60)


def test_another_text_is_read_anew(kept: Path, nodes_yaml: Path) -> None:
    load(nodes_yaml)
    nodes_yaml.write_text(TEXT.replace("user: pi", "user: me"))
    assert load(nodes_yaml).nodes["pi4"].ssh.user == "me"


def test_mistakes_are_told_each_time_with_their_place(kept: Path, nodes_yaml: Path) -> None:
    nodes_yaml.write_text(TEXT.replace("cidr", "cider"))
    for _ in range(2):
        with pytest.raises(ConfigError) as caught:
            load(nodes_yaml)
        assert ":2:" in caught.value.mistakes[0]
    nodes_yaml.write_text("fleet: [")
    with pytest.raises(ConfigError):
        load(nodes_yaml)


@pytest.mark.parametrize("by", ["nonsense", "another form", "a cut", "a writable folder"])
def test_what_cannot_be_relied_on_is_not_read(kept: Path, nodes_yaml: Path, by: str) -> None:
    load(nodes_yaml)
    whole = kept.read_bytes()
    other = whole.replace(b"pi5", b"pi6")
    assert other != whole
    if by == "nonsense":
        kept.write_bytes(whole[:-40] + b"\xc1" * 40)
    elif by == "another form":
        kept.write_bytes(other.replace(b"\x93\x01", b"\x93\x7f", 1))
    elif by == "a cut":
        kept.write_bytes(other[: len(other) // 2])
    else:
        kept.write_bytes(other)
        kept.parent.chmod(0o777)
    assert set(load(nodes_yaml).nodes) == {"pi4", "pi5"}


def test_aliases_do_not_make_it_large(kept: Path, nodes_yaml: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    nodes_yaml.write_text("\n".join(rows))
    with pytest.raises(ConfigError):
        load(nodes_yaml)
    assert not kept.exists()


@pytest.mark.parametrize("secret", ["env: {API_TOKEN: abc}", "web: 'http://me:abcdef@x/'"])
def test_what_looks_like_a_secret_is_not_kept(kept: Path, nodes_yaml: Path, secret: str) -> None:
    nodes_yaml.write_text(TEXT.replace("env: {A: '1'}", secret))
    with suppress(ConfigError):
        load(nodes_yaml)
    assert not kept.exists()


def test_where_nothing_can_be_kept_it_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes_yaml: Path
) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert load(nodes_yaml).name == "home"
