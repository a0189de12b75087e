"""A report of a fleet of a Mac and others: read again, anonymous or not, it has the same facts."""

from __future__ import annotations

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import User
from tests.lab.fleets import MACS
from tests.probes.test_reports import read_as_expected, texts_of

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Lab:
    return make_lab(MACS)


def test_a_mac_becomes_a_test(lab: Lab) -> None:
    user = User(lab, "mac-report", {})
    user.path.write_text(MACS)
    for option in ((), ("--anonymous",)):
        said = user.type("report", "mini1", "pi5", *option, "--no-archive", "--to", "r")
        assert said.code == 0, said
        (folder,) = said.out.split()
        texts = texts_of(lab.path("controller", str(lab.home / folder)))
        systems = {path.partition("/")[0] for path in texts if path.endswith(".txt")}
        assert systems == {"macos", "linux"}
        read_as_expected(texts)
    everything = "\n".join([*texts, *texts.values()])
    for word in ("mini1", "pi5", "192.168.1.", "10.10.0.", "/Users/one"):
        assert word not in everything, word

    lab.fault("power-off", "mini2")
    said = user.type("report", "mini2", "pi5", "--no-archive", "--to", "s", timeout_s=90)
    assert said.code == 1
    assert "fleetctl: mini2 cannot be asked: " in said.err
