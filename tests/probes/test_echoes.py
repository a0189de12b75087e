"""Whether an SSH port answered, by the output of nc on macOS and of bash on Linux."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from fleetctl.probes.echoes import LINE_END, read_echoes

NC = sorted((Path(__file__).parent.parent / "fixtures/macos/nc-z").glob("*.txt"))
TOKEN = "0123456789ab"
ADDRESS = IPv4Address("10.10.0.1")


def answers(text: str, status: int) -> bool:
    said = LINE_END.join(text.splitlines())
    _, ports, _ = read_echoes(TOKEN, f"\x1e{TOKEN} {ADDRESS} tcp {status} {said}\n")
    return ports[ADDRESS]


@pytest.mark.parametrize("text", NC, ids=lambda path: path.stem)
def test_nc_of_macos(text: Path) -> None:
    sample = json.loads(text.with_name(f"{text.stem}.expected.json").read_text())
    expected = sample["parsed"]["result"] in ("open", "refused")
    assert answers(text.read_text(), sample["rc"]) is expected


@pytest.mark.parametrize(
    ("text", "status", "expected"),
    [
        ("", 0, True),
        ("", 124, False),  # ended by timeout(1)
        (
            "bash: connect: Connection refused\n"
            "bash: line 1: /dev/tcp/10.10.0.1/22: Connection refused\n",
            1,
            True,
        ),
        (
            "bash: connect: No route to host\n"
            "bash: line 1: /dev/tcp/10.10.0.1/22: No route to host\n",
            1,
            False,
        ),
        ("timeout: failed to run command 'bash': No such file or directory\n", 127, False),
    ],
)
def test_bash_on_linux(text: str, status: int, expected: bool) -> None:
    assert answers(text, status) is expected
