"""The output of bench, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from fleetctl import cli
from fleetctl.fleet import LiveFleet
from fleetctl.model.bench import BenchReport, Measured
from tests.bench.fleets import EDGE, NODES_YAML, measured
from tests.bench.runs import bench, figures

__all__ = ["figures"]
Figures = dict[str, Measured | None]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How a call of bench on the simulated cluster begins."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "nodes.yaml").write_text(NODES_YAML)
    one = bench(["pi4"], says={"mini1": b"\n"})
    monkeypatch.setattr(LiveFleet, "bench", lambda *_, **__: one)
    return ["-f", str(tmp_path / "nodes.yaml"), "bench"]


def test_a_row_for_each_path_then_what_is_wrong(
    typed: list[str], figures: Figures, capsys: pytest.CaptureFixture[str]
) -> None:
    figures[EDGE.label] = measured(EDGE, 94, 93)
    assert cli.run(typed) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == [
        "PATH", "MEDIAN", "P99", "JITTER", "LOSS", "THERE", "BACK", "STANDS", "ON",
    ]  # fmt: skip
    assert out[1].split() == [
        "✖", "pi4", "→", "mini3", "(edge51)", "0.4ms", "0.4ms", "0.05ms", "0%",
        "94", "Mbit/s", "93", "Mbit/s", "as", "quick", "as", "expected",
    ]  # fmt: skip
    assert out[2].startswith("    not as wide as expected: 94 Mbit/s there and 93 Mbit/s back")
    assert out[3].startswith("● mini3 → mini1 (fabric)")
    assert "mini1 has no iperf3 (sudo -n apt-get install -y iperf3)" in out
    assert any(line.startswith("guide · 3 paths · 1 problem · ") for line in out)
    assert any(line.startswith("▲ bandwidth-low: pi4 and mini3 get") for line in out)
    begins = [line.index("Mbit/s") for line in out[1:3:2] if "Mbit/s" in line]
    assert len(set(begins)) == 1


def test_json_is_the_report_alone(
    typed: list[str], figures: Figures, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*typed, "--json"]) == 0
    out = capsys.readouterr().out
    report = msgspec.json.decode(out, type=BenchReport)
    assert (report.schema, report.ok, len(report.paths)) == ("fleetctl.bench/1", True, 3)
    assert json.loads(out)["paths"][0]["ladder"][0] == {"name": "cable", "ok": True, "reason": None}


def test_nothing_is_installed_without_a_yes(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*typed, "--install"]) == 2
    assert "--yes" in capsys.readouterr().err
