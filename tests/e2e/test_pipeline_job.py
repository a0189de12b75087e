"""The second job of the shipped nodes.yaml, on a lab of it: three ranks, an API and a page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetctl import config
from fleetctl.lab import Lab, app, shipped
from tests.conftest import MakeLab
from tests.e2e.browser import browsing, installed
from tests.e2e.cluster import eventually

pytestmark = [pytest.mark.lab, pytest.mark.long]

PICTURE = Path(__file__).parents[2] / "docs/pictures/pipeline.png"
JOB = ["fleetctl", "--job", "ipad-inference"]
PAGE = "http://127.0.0.1:5050/"
API = "http://127.0.0.1:8080"
WORDS_S = 120.0
"""How long a story may take on a busy machine."""


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Iterator[Lab]:
    """The job runs on it, as `fleetctl start` and the app leave it."""
    lab = make_lab(shipped.nodes_yaml().read_text("utf-8"), copies=shipped.examples())
    app.start(lab, config.load(lab.config_path), "ipad")
    done = lab.run("controller", [*JOB, "start"], timeout_s=120)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr.endswith(b"all 5 ready\n")
    yield lab
    app.stop(lab, "ipad")


def status(lab: Lab, instance: str) -> dict[str, Any]:
    done = lab.run("controller", [*JOB, "status", "--json"])
    return dict(json.loads(done.stdout)["services"][instance])


def works(lab: Lab) -> bool:
    return lab.run("controller", ["curl", "-sf", f"{API}/health"]).returncode == 0


def whole_story(seed: int, beginning: str) -> str:
    """As the model writes it that is not split."""
    argv = [sys.executable, "pipeline.py", "story", beginning, "--seed", str(seed), "--plain"]
    done = subprocess.run(
        argv, cwd=shipped.pipeline(), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.rstrip("\n")


def test_a_rank_that_dies_is_named_by_status_and_by_the_api(lab: Lab) -> None:
    assert works(lab)
    pid = status(lab, "rank2@mini2")["pid"]
    lab.run("mini2", ["kill", "-STOP", str(pid)])
    said = json.loads(lab.run("controller", ["curl", "-s", f"{API}/health"]).stdout)
    assert said["error"].startswith("rank 2 (mini2, 10.10.0.2:65433) does not work: no answer")
    lab.run("mini2", ["kill", "-KILL", str(pid)])
    eventually(lambda: status(lab, "rank2@mini2")["restarts"] == 1, "its supervisor restarts it")
    eventually(lambda: works(lab), "the pipeline works again", 30)
    app.stop(lab, "ipad")
    eventually(lambda: status(lab, "rank1@ipad")["state"] == "stopped", "the app is missed")
    assert "it is started by hand" in status(lab, "rank1@ipad")["reason"]
    app.start(lab, config.load(lab.config_path), "ipad")
    eventually(lambda: status(lab, "rank1@ipad")["state"] == "ready", "the app is seen")


@pytest.mark.skipif(not installed(), reason="needs Debian's chromium and chromium-driver")
def test_the_page_writes_a_story_while_the_app_is_switched_off_and_on(lab: Lab) -> None:
    eventually(lambda: works(lab), "the pipeline works", 30)
    fleet = config.load(lab.config_path)
    with browsing(lab) as page:
        page.open(PAGE)
        ranks = "return [...document.querySelectorAll('#ranks b')].map((b) => b.textContent)"
        eventually(lambda: page.run(ranks), "the ranks are shown")
        assert page.run(ranks) == ["rank 0: mini1", "rank 1: ipad", "rank 2: mini2"]
        page.run("document.getElementById('prompt').value = 'Once upon a time'")
        page.run("document.getElementById('seed').value = 4")
        page.click("write")
        eventually(lambda: len(page.text("story")) > 24, "it writes", WORDS_S)

        app.stop(lab, "ipad")
        eventually(lambda: "Waiting: rank 1 (ipad, " in page.text("state"), "it waits", WORDS_S)
        bad = "return [...document.querySelectorAll('#ranks li')].map((c) => c.className)"
        assert page.run(bad) == ["", "bad", ""]
        app.start(lab, fleet, "ipad")
        eventually(lambda: page.text("state") == "The end.", "it goes on", WORDS_S)
        assert page.text("story") == whole_story(4, "Once upon a time")
        assert page.run(bad) == ["", "", ""]

        times = page.run("return [...document.querySelectorAll('#ranks span')].map(s=>s.innerText)")
        assert [text.endswith(" ms") for text in times] == [False, True] + [False, True, True] * 2
        assert page.run("return document.querySelectorAll('#bars div').length") > 100
        if os.environ.get("FLEETCTL_PAGES") == "renew":
            PICTURE.write_bytes(page.picture())

        page.click("write")
        eventually(lambda: "Writing" in page.text("state"), "another one")
        page.click("stop")
        eventually(lambda: page.text("state") == "Stopped.", "it stops")
