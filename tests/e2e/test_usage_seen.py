"""What goes through real links, how busy processors are, and the requests of a real server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import NODES_YAML, User
from tests.e2e.conftest import MakeUser

pytestmark = [pytest.mark.lab, pytest.mark.long]

FILE_BYTES = 200_000
QUICK = {"grace": 1}
JOB: dict[str, Any] = {
    "server": {
        "on": "hub",
        "command": f"head -c {FILE_BYTES} /dev/zero > served && "
        "exec python3 -u -m http.server {server.port} --bind {server.host}",
        "listen": "fabric:7601",
        "stop": QUICK,
    },
    "reader": {
        "on": "mini",
        "after": ["server"],
        "command": 'exec python3 -c "import time, urllib.request as u\n'
        "while True: u.urlopen('http://{server.host}:{server.port}/served').read(); "
        'time.sleep(0.1)"',
        "stop": QUICK,
    },
}


@pytest.fixture(scope="module")
def cluster(make_lab: MakeLab) -> Lab:
    """hub and mini are Macs, pi is none."""
    return make_lab(re.sub(r"(  (?:hub|mini):\n)", r"\1    os: macos\n", NODES_YAML))


def told(one: User, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first line of `status --watch --json` for which ``until`` holds."""
    watching = one.begin("status", "--watch", "1", "--json")
    assert watching.stdout
    deadline_s = time.monotonic() + 300
    line: dict[str, Any] = {}
    try:
        for text in watching.stdout:
            line = json.loads(text)
            if until(line):
                return line
            assert time.monotonic() < deadline_s, line
        raise AssertionError("it ended")
    finally:
        watching.kill()


def fabric(line: dict[str, Any], node: str) -> tuple[int, int]:
    """Bytes a second in and out by the node's interface on the fabric."""
    (row,) = (r for r in line["nodes"][node]["addresses"] if r["network"] == "fabric")
    return row["in_bytes_per_s"] or 0, row["out_bytes_per_s"] or 0


def test_bytes_and_requests_are_those_of_a_real_server(user: MakeUser) -> None:
    one = user(JOB)
    one.start()

    def busy(line: dict[str, Any]) -> bool:
        server = line["services"]["server@hub"]["progress"] or {}
        known = all(n["system"] for name, n in line["nodes"].items() if name != "here")
        through = min(fabric(line, "hub")[1], fabric(line, "mini")[0])
        return known and through > FILE_BYTES // 4 and (server.get("requests_per_s") or 0) > 0

    line = told(one, busy)
    hub, mini, pi = (line["nodes"][name]["system"] for name in ("hub", "mini", "pi"))
    per_s = line["services"]["server@hub"]["progress"]["requests_per_s"]
    sent = fabric(line, "hub")[1]
    # each request is a file and its headers; both are measured over seconds of their own
    assert FILE_BYTES * per_s / 6 < sent < FILE_BYTES * per_s * 6
    assert line["progress"]["requests_per_s"] == per_s, "no other instance tells of requests"
    # the bridge and its member carry the same bytes, which count once
    assert sent <= hub["net_out_bytes_per_s"] < 1.5 * sent
    assert fabric(line, "mini")[0] <= mini["net_in_bytes_per_s"]
    assert pi["net_in_bytes_per_s"] < sent / 2, "it takes no part"
    for system in (hub, mini, pi):
        assert 0 <= system["cpu_percent"] <= 100

    one.type("stop")
    quiet = told(one, lambda line: 0 < fabric(line, "hub")[1] + 1 < sent / 4)
    assert quiet["services"]["server@hub"]["progress"] is None
