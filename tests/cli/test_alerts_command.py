"""`fleetctl alerts`: what is shown, and what came of a test."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from fleetctl.alerts.keeping import Delivery, Kept, Waiting, place
from fleetctl.cli import run
from fleetctl.local_files import write_private
from fleetctl.model.alerts import Cause, Message
from tests.alerts.seen import BEGIN
from tests.cli.test_docs import SECTIONS, code

TEXT = """\
fleet: home
nodes: {a: {connection: local}}
alerts:
  - {on: [rank-lost, node-lost], to: {command: "cat > got"}}
  - {name: bad, on: problem, to: [{command: "echo no; exit 3"}, "slack://${KEY}"], env_file: env}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "nodes.yaml").write_text(TEXT)
    (tmp_path / "env").write_text("OTHER=1\n")
    return tmp_path


def test_each_destination_is_tried_and_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["alerts", "test", "1"]) == 0
    assert capsys.readouterr().out == "1: cat > got: sent\n"
    assert json.loads((folder / "got").read_text())["state"] == "test"
    assert run(["alerts", "test"]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "bad: echo no; exit 3: not sent: it ended with exit code 3; it said: no",
        "bad: slack://${KEY}: not sent: its env_file has no KEY",
    ]
    assert run(["alerts", "test", "bad", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [one["error"][:10] for one in said["sent"]] == ["it ended w", "its env_fi"]


def test_what_is_not_there_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alerts", "test", "day"]) == 2
    assert "no alert is called 'day'. There are: 1, bad." in capsys.readouterr().err
    (folder / "nodes.yaml").write_text("fleet: home\nnodes: {a: {connection: local}}\n")
    assert run(["alerts", "test"]) == 2
    assert "nodes.yaml has no alerts" in capsys.readouterr().err
    assert run(["alerts"]) == 0
    assert "home has no alerts" in capsys.readouterr().out


def test_what_is_raised_and_how_sending_went(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alerts"]) == 0
    assert capsys.readouterr().out.splitlines()[:3] == [
        "no fleetctl serve runs on this machine: alerts are sent by it alone",
        "1: rank-lost, node-lost; after 30s",
        "  to cat > got: nothing sent yet",
    ]
    from fleetctl.alerts.deciding import Open, Rule

    cause = Cause("node-lost", "a", "a cannot be reached: no answer", BEGIN, node="a")
    message = Message("fleetctl.alert/1", "home", "1", "raised", BEGIN, "t", "x", (cause,))
    kept = Kept(
        rules={"1": Rule({cause.key: Open(cause, BEGIN, told=True)}, newest=BEGIN)},
        outbox=[Waiting("1", 0, message, BEGIN, BEGIN)],
        deliveries={"1 0": Delivery(BEGIN, "it ended with exit code 1")},
    )
    write_private(place("home"), msgspec.json.encode(kept))
    assert run(["alerts"]) == 0
    out = capsys.readouterr().out
    assert "ago: it ended with exit code 1; 1 wait to be sent" in out
    assert "ago: a cannot be reached: no answer" in out
    assert run(["alerts", "--json"]) == 0
    [first, _] = json.loads(capsys.readouterr().out)["rules"]
    assert [one["subject"] for one in first["raised"]] == ["a"]
    assert first["to"][0]["waiting"] == 1


def test_the_message_in_the_page_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs/alerts.md").read_text("utf-8")
    shown = json.loads(page.partition("```json\n")[2].partition("```")[0])
    again = json.loads(msgspec.json.encode(msgspec.convert(shown, Message)))
    assert again == shown
    assert "alerts" in SECTIONS
    assert "fleetctl alerts" in code(SECTIONS["alerts"])
