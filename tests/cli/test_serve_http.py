"""The options of `serve --http`, and `--read-only`, where they cannot be obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.cli import run, serve_http
from fleetctl.cli.serve_http import HttpOptions, options

NODES = "fleet: alone\nnodes:\n  here: {connection: local}\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "nodes.yaml"
    path.write_text(NODES)
    return str(path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--token", "need --http ADDRESS:PORT"),
        ("--allow-actions", "need --http ADDRESS:PORT"),
        ("--http-name x", "need --http ADDRESS:PORT"),
        ("--http nowhere", "is no address and port of this machine"),
        ("--http 0.0.0.0:9464", "--token must be there, too"),
        ("--http 192.168.1.5:9464 --allow-actions", "--token must be there, too"),
    ],
)
def test_what_cannot_be_served(
    file: str, words: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["-f", file, "serve", *words.split()]) == 2
    assert said in capfd.readouterr().err


def test_what_is_not_installed_names_the_extra(
    file: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve_http, "find_spec", lambda name: None if "_" in name else name)
    assert run(["-f", file, "serve", "--http", "9464"]) == 2
    said = capfd.readouterr().err
    assert "--http needs prometheus-client, textual-serve, which is not installed here" in said
    assert "pip install 'fleetctl[serve]'" in said


def test_its_words_say_the_same_again() -> None:
    given = options("0.0.0.0:9464", True, ("a", "b"), True)
    assert given == HttpOptions("0.0.0.0:9464", True, ("a", "b"), True)
    assert given.words == (
        *("--http", "0.0.0.0:9464", "--token", "--http-name", "a", "--http-name", "b"),
        "--allow-actions",
    )
    assert options(None, False, (), False) is None


def test_read_only_goes_with_no_command(file: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["-f", file, "--read-only", "start"]) == 2
    assert "--read-only is about the dashboard" in capfd.readouterr().err
