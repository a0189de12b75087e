"""open: a web page on a node, seen from here."""

from __future__ import annotations

import subprocess

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import eventually, interrupt, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

PAGE = "python3 -m http.server 8787 --bind 10.10.0.1"
JOB = {"view": {"on": "hub", "command": PAGE, "web": 8787}}
SAYS = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=9).status)"


def test_a_page_on_the_fabric_is_seen_from_here_again_after_a_lost_link(
    lab: Lab, user: MakeUser
) -> None:
    job = user(JOB)
    shown = lab.home / "shown"
    browser = lab.home / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >>{shown}\n')
    browser.chmod(0o755)

    def status_of_page() -> str:
        done = lab.run("controller", ["python3", "-c", SAYS, "http://127.0.0.1:8787"])
        return done.stdout.decode().strip()

    opened = job.begin("open", "view", env={"BROWSER": str(browser)})
    assert opened.stdout and opened.stderr
    assert opened.stdout.readline() == b"http://127.0.0.1:8787  view@hub\n"
    assert opened.stderr.readline() == b"Ctrl-C ends the tunnels\n"
    assert opened.stderr.readline() == (
        b"view@hub: nothing listens on port 8787 of hub yet; it is tried again and again\n"
    )
    nothing = subprocess.DEVNULL
    page = lab.popen("hub", PAGE.split(), stdin=nothing, stdout=nothing, stderr=nothing)
    try:
        assert opened.stderr.readline() == b"view@hub answers now\n"
        eventually(shown.exists, "the browser is opened")
        assert shown.read_text() == "http://127.0.0.1:8787\n"
        assert status_of_page() == "200"
        sh(lab, "hub", "kill -KILL $(pgrep -u one sshd)", user="root")
        eventually(lambda: status_of_page() == "200", "it is seen over a new connection")
        said = interrupt(opened)
        assert (said.code, said.err) == (130, "\ninterrupted\n")
        assert status_of_page() == ""
    finally:
        page.kill()
        page.wait()
    assert job.services()["view@hub"]["web"] == [{"port": 8787, "url": None, "up": False}]
    job.start()
    there = {"port": 8787, "url": "http://10.10.0.1:8787", "up": True}
    eventually(lambda: job.services()["view@hub"]["web"] == [there], "its page is listed")
    assert "view@hub  http://10.10.0.1:8787  fleetctl open view@hub\n" in job.type("status").out
    assert job.type("stop").code == 0
    said = job.type("open", "pi")
    assert (said.code, said.err) == (
        2,
        "fleetctl: nodes.yaml names no web page of these targets. "
        "Say at which port a service has one: web: 8787.\n",
    )
