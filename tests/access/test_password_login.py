"""What comes of a login by password, with a program in the place of ssh."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetctl.access import password_login
from fleetctl.access.password_login import Said, run_with_password
from fleetctl.errors import AuthFailed, ConnectFailed, LinkError, LinkHung
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import SSH, Node
from tests.openssh import bounded

Run = Callable[[str], tuple[Said, list[str]]]

RUNS_IT = 'for last; do :; done; exec sh -c "$last"'
"""As ssh does with its last word."""


@pytest.fixture
def run(client_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Logs in by an ``ssh`` with a text of sh; also what was told meanwhile."""

    def run(text: str) -> tuple[Said, list[str]]:
        told: list[str] = []
        node = Node("pi4", SSH("pi4.example", user="pi"))

        async def body() -> Said:
            way = await Connector({}).way("pi4", node.ssh)
            program = tmp_path / "ssh"
            program.write_text(f"#!/bin/sh\n{text}\n")
            program.chmod(0o755)
            monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
            return await run_with_password(way, "cat; echo done; echo wrong >&2", "in", told.append)

        return bounded(body()), told

    return run


def test_what_ssh_says_is_told_and_what_the_script_says_returned(run: Run) -> None:
    said, told = run(f"echo 'Permission denied, please try again.' >&2; echo noise; {RUNS_IT}")
    assert said == Said("indone\n", "wrong", 0)
    assert told == ["Permission denied, please try again."]


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("echo 'pi@pi4: Permission denied (publickey,password).' >&2; exit 255", AuthFailed,
         "pi@pi4.example refused the password 3 times"),
        ("echo 'pi@pi4: Permission denied (publickey).' >&2; exit 255", AuthFailed,
         "pi@pi4.example takes no passwords (its SSH server offers publickey)"),
        ("echo 'This account is currently not available.'; exit 1", ConnectFailed,
         "failed: This account is currently not available."),
        ("printf 'expired.\\nPassword change required but no TTY available.\\n' >&2", ConnectFailed,
         "failed: Password change required but no TTY available."),
        ("exit 255", ConnectFailed, "failed: ssh ended with 255"),
        ("kill -9 $$", ConnectFailed, "failed: ssh ended with -9"),
    ],
)  # fmt: skip
def test_failures(run: Run, text: str, kind: type[LinkError], why: str) -> None:
    with pytest.raises(kind) as caught:
        run(text)
    assert caught.value.node == "pi4"
    assert why in caught.value.reason


def test_a_flood_is_not_passed_on(run: Run) -> None:
    said, told = run(f"yes | head -n 20000 >&2; {RUNS_IT}")
    assert said.output == "indone\n"
    assert 0 < len(told) <= 50


def test_a_prompt_that_nobody_answers_ends(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_login, "TIMEOUT_S", 0.5)
    began = time.monotonic()
    with pytest.raises(LinkHung, match="no password was typed"):
        run("exec sleep 60")
    assert time.monotonic() - began < 10
