"""`alerts` of nodes.yaml."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from fleetctl.config import load_text
from fleetctl.config.expansion import expand
from fleetctl.config.file import load_with_notes
from fleetctl.errors import ConfigError
from fleetctl.model.alerts import Command, Desktop, Quiet, Url

TEXT = """\
fleet: f
nodes: {a: {}, b: {}}
jobs: {j: {services: {one: {on: a, command: x}}}}
alerts:
"""


def test_all_of_it_is_read_and_shown_without_secrets() -> None:
    text = f"""{TEXT}
  - name: night
    on: [job-failed, node-lost, job-failed]
    to: [desktop, {{command: "tell --token abc"}}, {{command: [./tell, a b]}},
      "tgram://${{TOKEN}}/${{CHAT}}", "ntfy://me:pw@host/topic", "slack://A/B/C", "${{URL}}"]
    for: 5m
    quiet: 22:00-7:30
    env_file: alerts.env
    jobs: [j]
    targets: [one, b]
  - {{on: problem, to: desktop}}
"""
    fleet = load_text(text, "/somewhere/nodes.yaml")
    night, other = fleet.alerts
    assert (night.name, night.on, night.for_s) == ("night", ("job-failed", "node-lost"), 300)
    assert night.to[:4] == (
        Desktop(),
        Command(("tell --token abc",)),
        Command(("./tell", "a b")),
        Url("tgram://${TOKEN}/${CHAT}"),
    )
    assert night.quiet == Quiet(time(22), time(7, 30))
    assert (night.folder, night.env_file) == ("/somewhere", "/somewhere/alerts.env")
    assert (other.name, other.for_s, other.to) == ("2", 30, (Desktop(),))
    shown = expand(fleet)["alerts"]
    assert shown[0]["to"] == [
        "desktop",
        {"command": "tell --token (hidden)"},
        {"command": "./tell a b"},
        "tgram://${TOKEN}/${CHAT}",
        "ntfy://host/(hidden)",
        "slack://(hidden)",
        "${URL}",
    ]
    assert (shown[0]["for_s"], shown[0]["quiet"]) == (300, "22:00-07:30")
    assert "alerts" not in expand(load_text(TEXT, "nodes.yaml"))


@pytest.mark.parametrize(
    ("written", "seconds"), [("0", 0), ("7.5", 7.5), ("30s", 30), ("2h", 7200)]
)
def test_times(written: str, seconds: float) -> None:
    text = f"{TEXT}  - {{on: problem, to: desktop, for: {written}}}\n"
    assert load_text(text, "nodes.yaml").alerts[0].for_s == seconds


@pytest.mark.parametrize(
    ("entry", "column", "says"),
    [
        ("{on: job-faild, to: desktop}", 10, "did you mean 'job-failed'?"),
        ("{on: [], to: desktop}", 10, "empty"),
        ("{to: desktop}", 5, "lacks 'on'"),
        ("{on: problem}", 5, "lacks 'to'"),
        ("{on: problem, to: dekstop}", 23, "a command is written {command: LINE}"),
        ("{on: problem, to: [desktop, mail me]}", 33, "neither desktop nor a URL"),
        ("{on: problem, to: []}", 23, "to of an entry of alerts is empty"),
        ("{on: problem, to: {command: []}}", 33, "command is empty"),
        ("{on: problem, to: {command: }}", 33, "command is empty"),
        ("{on: problem, to: desktop, for: 5 m}", 37, "one with a unit: 30s, 5m, 1h, 1d"),
        ("{on: problem, to: desktop, for: -1}", 37, "a number of seconds"),
        ("{on: problem, to: desktop, quiet: 22-7}", 39, "such as 22:00-07:00"),
        ("{on: problem, to: desktop, quiet: '07:00-07:00'}", 39, "two times of a day"),
        ("{on: problem, to: desktop, quiet: '24:00-07:00'}", 39, "two times of a day"),
        ("{on: problem, to: desktop, jobs: [k]}", 39, "there is no job 'k': allowed are j"),
        ("{on: problem, to: desktop, targets: [c]}", 42, "no node, service or instance"),
        ("{on: problem, to: 'slack://${KEY}'}", 23, "names none"),
        ("{on: problem, to: desktop, mute: yes}", 32, "unknown key 'mute' in alerts[1]"),
        ("{on: problem, to: desktop, name: a b}", 38, "a name of letters"),
    ],
)
def test_a_mistake_has_its_place(entry: str, column: int, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_text(f"{TEXT}  - {entry}\n", "nodes.yaml")
    [mistake] = raised.value.mistakes
    assert mistake.startswith(f"nodes.yaml:5:{column}: ")
    assert says in mistake


def test_two_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ConfigError) as raised:
        named = "  - {name: '1', on: problem, to: desktop}\n"
        load_text(f"{TEXT}  - {{on: problem, to: desktop}}\n{named}", "nodes.yaml")
    [mistake] = raised.value.mistakes
    assert mistake == "nodes.yaml:6:12: another entry of alerts is called '1'"


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("tgram://12345:AAAA/77", True),
        ("json://me:pass@host/hook", True),
        ("ntfys://host/topic?token=abc", True),
        ("mailto://me@example.org", True),
        ("tgram://${TOKEN}/${CHAT}", False),
        ("json://me:${PW}@host/hook", False),
        ("json://host:80/hook", False),
        ("ntfy://topic", False),
        ("${URL}", False),
    ],
)
def test_a_secret_in_the_file_is_warned_of(url: str, warned: bool, tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(f"{TEXT}  - {{on: problem, to: '{url}', env_file: e}}\n")
    notes = load_with_notes(path)[1]
    assert bool(notes) == warned
    assert all("5:23: warning: this URL seems to hold a secret" in note for note in notes)
