"""A broken member does not stop the others of an elastic job, and no job that does not need it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.e2e.cluster import User, running
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

QUICK = {"grace": 1}
JOB: dict[str, Any] = {
    "server": {
        "on": "hub",
        "command": "exec python3 -m http.server {server.port} --bind {server.host}",
        "listen": "fabric:7701",
        "stop": QUICK,
    },
    "worker": {
        "on": ["mini", "pi"],
        "after": ["server"],
        "command": "sleep 0; exec sleep 4{world_size}0{rank}",
        "stop": QUICK,
    },
    "view": {"on": "hub", "after": ["worker"], "command": "exec sleep 4777", "stop": QUICK},
}


def elastic(user: User, elastic: bool = True, **services: Any) -> User:
    whole = yaml.safe_load(user.path.read_text())
    job = {"elastic": elastic, "services": {**JOB, **services}}
    user.path.write_text(yaml.safe_dump({**whole, "jobs": {"job": job}}, sort_keys=False))
    return user


@pytest.mark.long  # 20 s
def test_what_can_work_is_started(user: MakeUser) -> None:
    one = user(JOB)
    one.lab.fault("route-missing", "pi")
    said = one.type("start")
    assert said.code == 1 and "nothing was started" in said.err
    assert running(one.lab, "hub", "python3 -m http.server 7701") == []

    elastic(one)
    said = one.type("start")
    assert said.code == 1
    assert "start: 3 of 4 done" in said.err
    assert "worker@pi is waiting: left out: pi has no route to fabric" in said.err
    states = one.states()
    assert states.pop("worker@pi") in ("stopped", "waiting")
    assert set(states.values()) == {"ready"} and len(states) == 3
    # it comes later
    one.lab.heal()
    one.start()
    assert set(one.states().values()) == {"ready"}
    assert one.type("stop").code == 0


@pytest.mark.long  # 15 s
def test_a_member_that_is_off_keeps_no_other_waiting(user: MakeUser) -> None:
    one = elastic(user(JOB))
    one.lab.fault("power-off", "pi")
    said = one.type("start")
    assert said.code == 1 and "start: 3 of 4 done" in said.err
    assert one.states()["view@hub"] == "ready"
    one.type("stop")


def test_without_the_server_nothing_is_left(user: MakeUser) -> None:
    one = elastic(user(JOB))
    one.lab.fault("address-missing", "hub", network="fabric")
    said = one.type("start")
    assert said.code == 1 and "nothing was started" in said.err


def test_members_that_come_do_not_change_the_others(user: MakeUser) -> None:
    one = elastic(user(JOB), worker={**JOB["worker"], "on": ["mini"]})
    one.start()
    elastic(one, worker={**JOB["worker"], "on": ["pi", "mini"]})
    status = one.status()
    assert "service-changed" not in [p["code"] for p in status["problems"]]
    assert status["services"]["worker@mini"]["changed"] is False
    elastic(one, elastic=False, worker={**JOB["worker"], "on": ["pi", "mini"]})
    assert one.status()["services"]["worker@mini"]["changed"] is True
    elastic(one, worker={**JOB["worker"], "command": "exec sleep 4778"})
    assert one.status()["services"]["worker@mini"]["changed"] is True
    one.type("stop")
