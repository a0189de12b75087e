"""The page of `fleetctl serve --http`: in a real browser with a touch screen, and for programs; on
a lab of the shipped nodes.yaml, whose job runs."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from fleetctl.lab import Lab, shipped
from tests.conftest import MakeLab
from tests.e2e.browser import Browser, Touch, browsing, installed
from tests.e2e.cluster import eventually, sh

pytestmark = [pytest.mark.lab, pytest.mark.long]

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs/pictures/browser.png"
TABLET = Touch(1180, 820)
PORT = 9464
HERE = f"http://127.0.0.1:{PORT}"
TOKEN_FILE = "~/.local/state/fleetctl/smolcluster/.serve/http-token"
WAIT_S = 150.0
LEAST_PX = 44
"""What a finger hits (Apple's Human Interface Guidelines, WCAG 2.5.5)."""

KEEP = """
window.said = "";
const decoder = new TextDecoder();
window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", (event) => {
      if (typeof event.data === "string") return;
      window.said = (window.said + decoder.decode(event.data, {stream: true})).slice(-400000);
    });
  }
};
"""
"""Keeps the end of what the terminal is told: it is drawn as pixels."""

SIZES = """
return [...document.querySelectorAll(%r)].map((one) => {
  const box = one.getBoundingClientRect();
  return [box.width, box.height];
});
"""
COLOURS = """
const image = new Image();
image.src = "data:image/png;base64,%s";
return image.decode().then(() => {
  const {width, height} = image;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(image, 0, 0);
  const box = document.querySelector(".xterm-screen").getBoundingClientRect();
  const {data} = context.getImageData(box.x, box.y, box.width, box.height);
  return new Set(new Uint32Array(data.buffer)).size;
});
"""
"""How many colours a picture of the page has where the terminal is: a blank one has few."""
MANY_COLOURS = 100


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Iterator[Lab]:
    """The job runs, and a server watches it and answers the whole network."""
    lab = make_lab(
        shipped.nodes_yaml().read_text("utf-8"), copies=[(shipped.elastic(), shipped.ELASTIC_PLACE)]
    )
    start(lab)
    argv = ["fleetctl", "serve", "--interval", "4", "--http", f"0.0.0.0:{PORT}", "--token"]
    log = (lab.home / "serve.log").open("wb")
    server = lab.popen("controller", argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        up = 'fleetctl_node_reachable{fleet="smolcluster",node="pi4"} 1.0'
        eventually(lambda: up in told(lab, "/metrics")[1], "it knows the nodes", WAIT_S)
        yield lab
        token = sh(lab, "controller", f"cat {TOKEN_FILE}").strip()
        assert token not in (lab.home / "serve.log").read_text()
    finally:
        server.terminate()
        assert server.wait(WAIT_S) == 0
        log.close()
        assert dashboards(lab) == []


def start(lab: Lab) -> None:
    """Start what of the job does not run."""
    done = lab.run("controller", ["fleetctl", "start"], timeout_s=WAIT_S)
    assert done.returncode == 0, done.stderr.decode()


def dashboards(lab: Lab) -> list[str]:
    """Those of this lab: other labs of this machine are in the same list of processes."""
    lines = sh(lab, "controller", "ps -ww -eo args=").splitlines()  # whatever $COLUMNS says
    return [line for line in lines if "--browser-of" in line and str(lab.home) in line]


def told(lab: Lab, path: str, *more: str, where: str = "controller") -> tuple[str, str]:
    """Status and body of an answer; with the token, but for ``more``."""
    shown = "ip -4 -o address | sed -n 's,.* \\(192.168.1[.][0-9]*\\)/.*,\\1,p'"
    host = "127.0.0.1" if where == "controller" else sh(lab, "controller", shown).strip()
    url = f"http://{host}:{PORT}{path}"
    if not more:
        token = lab.run("controller", ["sh", "-c", f"cat {TOKEN_FILE}"]).stdout.decode().strip()
        more = ("-H", f"Authorization: Bearer {token}")
    asked = ["curl", "-s", "-m", "10", "-w", "\n%{http_code}", *more, url]
    body, _, status = lab.run(where, asked).stdout.decode().rpartition("\n")
    return status, body


def test_other_machines_need_the_token(lab: Lab) -> None:
    assert told(lab, "/metrics", "-H", "Accept: */*", where="mini1")[0] == "401"
    token = sh(lab, "controller", f"cat {TOKEN_FILE}").strip()
    bearer = ("-H", f"Authorization: Bearer {token}")
    status, body = told(lab, "/metrics", *bearer, where="mini1")
    assert (status, body.endswith("# EOF\n")) == ("200", True)
    assert told(lab, "/metrics", *bearer, "-H", "Host: evil.example", where="mini1")[0] == "403"


def test_programs_are_told_what_status_says_and_of_a_lost_node_nothing_old(lab: Lab) -> None:
    def same() -> bool:
        said = lab.run("controller", ["fleetctl", "status", "--json"]).stdout.decode()
        return told(lab, "/status.json")[1] == said

    eventually(same, "both are of the same looks", WAIT_S)
    assert 'fleetctl_node_load1{fleet="smolcluster",node="pi4"}' in told(lab, "/metrics")[1]
    listening = lab.popen(
        "controller",
        ["sh", "-c", f'exec curl -sN -H "Authorization: Bearer $(cat {TOKEN_FILE})" {HERE}/events'],
        stdout=subprocess.PIPE,
    )
    assert listening.stdout
    assert listening.stdout.readline() == b": events of smolcluster\n"
    lab.fault("power-off", "pi4")
    try:
        down = 'fleetctl_node_reachable{fleet="smolcluster",node="pi4"} 0.0'
        eventually(lambda: down in told(lab, "/metrics")[1], "it is known to be lost", WAIT_S)
        rest = told(lab, "/metrics")[1].replace(down, "")
        assert not re.search(r'^fleetctl_node_\w+{[^}]*node="pi4"', rest, re.M)
        assert not re.search(r'^fleetctl_link_\w+{[^}]*from="pi4"', rest, re.M)
        assert (
            'fleetctl_instance_state="unknown",job="edp",node="pi4",service="worker"} 1.0' in rest
        )
        heard = b""
        while b'"pi4"' not in heard:
            heard = listening.stdout.readline()
        assert json.loads(heard.removeprefix(b"data: "))["subject"]
    finally:
        listening.kill()
        listening.wait()
        lab.heal()
    up = 'fleetctl_node_load1{fleet="smolcluster",node="pi4"}'
    eventually(lambda: up in told(lab, "/metrics")[1], "it is back", WAIT_S)
    start(lab)  # the power cut ended pi4's worker


@pytest.mark.skipif(not shutil.which("prometheus"), reason="needs Debian's prometheus")
def test_prometheus_scrapes_it_as_the_example_says(lab: Lab) -> None:
    example = (ROOT / "examples/monitoring/prometheus.yml").read_text()
    token = sh(lab, "controller", f"cat {TOKEN_FILE}").strip()
    (lab.home / "fleetctl-token").write_text(token)
    keyed = re.sub(r"# (authorization:)|#   (credentials_file: )\S+", r"\1\2", example)
    keyed = keyed.replace("credentials_file: ", f"  credentials_file: {lab.home}/fleetctl-token")
    (lab.home / "prometheus.yml").write_text(keyed.replace("15s", "1s"))
    shutil.copy(ROOT / "examples/monitoring/rules.yml", lab.home)
    options = [f"--config.file={lab.home}/prometheus.yml", f"--storage.tsdb.path={lab.home}/tsdb"]
    process = lab.popen(
        "controller",
        ["prometheus", *options, "--web.listen-address=127.0.0.1:9090"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def value(query: str) -> dict[str, str]:
        """By node: its value."""
        asked = ["curl", "-sfG", "http://127.0.0.1:9090/api/v1/query", "--data-urlencode"]
        said = lab.run("controller", [*asked, f"query={query}"]).stdout
        found = json.loads(said)["data"]["result"] if said else []
        return {one["metric"].get("node", ""): one["value"][1] for one in found}

    try:
        eventually(lambda: value('up{job="fleetctl"}') == {"": "1"}, "it scrapes", WAIT_S)
        eventually(lambda: value("fleetctl_node_reachable").get("pi4") == "1", "of nodes", WAIT_S)
        ready = 'fleetctl_instance_state{fleetctl_instance_state="ready",service="worker"}'
        eventually(lambda: value(ready).get("pi4") == "1", "of instances", WAIT_S)
        dashboard = json.loads((ROOT / "examples/monitoring/grafana-dashboard.json").read_text())
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$fleet", ".*")
                asked = ["curl", "-sfG", "http://127.0.0.1:9090/api/v1/query", "--data-urlencode"]
                said = lab.run("controller", [*asked, f"query={query}"]).stdout
                assert json.loads(said)["status"] == "success", query
    finally:
        process.terminate()
        process.wait(WAIT_S)


class Page:
    """The page in a browser."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    @property
    def said(self) -> str:
        """What the terminal was told, without what moves its cursor or colours."""
        return _plain(self.raw)

    @property
    def raw(self) -> str:
        return str(self.browser.run("return window.said || ''"))

    def until(self, *parts: str) -> None:
        """Wait until it was told all of these since the last time."""
        self.shows(*parts)
        self.browser.run("window.said = ''")

    def shows(self, *parts: str) -> None:
        """Wait until it was told all of these."""
        try:
            eventually(lambda: all(part in self.said for part in parts), f"{parts}", WAIT_S)
        except AssertionError as error:
            first = re.findall(r"edp [^│╭]{,130}", self.said)[-3:]
            raise AssertionError(f"{error}; {first} in:\n{self.said[-4000:]}") from None

    def sizes(self, selector: str) -> list[list[float]]:
        """Width and height of each element, in CSS pixels."""
        return cast("list[list[float]]", self.browser.run(SIZES % selector))

    def colours(self) -> int:
        """How many colours the terminal is drawn in."""
        picture = base64.b64encode(self.browser.picture()).decode()
        return int(self.browser.run(COLOURS % picture))

    def place(self, text: str) -> float:
        """The middle of a text of the last line, in pixels from the left."""
        wide = self.browser.run("return document.querySelector('.xterm-screen').clientWidth")
        columns = int(self.browser.run("return terminal.dataset.columns"))
        return float((self.last_line().index(text) + len(text) / 2) * wide / columns)

    def last_line(self) -> str:
        """The one that names keys, if it was drawn since the last time."""
        rows = re.findall(r"\x1b\[\d+;1H((?:(?!\x1b\[\d+;1H).)*)", self.raw, re.S)
        return next(
            (
                line
                for line in map(_plain, reversed(rows))
                if "? help" in line and "q leave" in line
            ),
            "",
        )


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*\$?[A-Za-z]|\x1b\][^\x07]*\x07", "", text)


@pytest.mark.skipif(not installed(), reason="needs Debian's chromium and chromium-driver")
def test_the_dashboard_on_a_tablet(lab: Lab) -> None:
    """With the token and not without; first paint, keys, fingers; read-only, and left."""
    token = sh(lab, "controller", f"cat {TOKEN_FILE}").strip()
    with browsing(lab, touch=TABLET, first=KEEP) as browser:
        page = Page(browser)
        browser.open(f"{HERE}/")
        assert not browser.run("return document.getElementById('terminal')")
        least(page.sizes("#login button, #login input"), 2)
        for given, shown in (("wrong", "That is not the token."), (token, "")):
            browser.run(f"document.getElementById('token').value = '{given}'")
            browser.tap("#login button")
            if shown:
                wrong = "return document.querySelector('[role=alert]')?.textContent"
                eventually(lambda: browser.run(wrong) == shown, "it is refused", WAIT_S)  # noqa: B023
        painted = "return document.body?.classList.contains('-first-byte')"
        eventually(lambda: browser.run(painted), "first paint", WAIT_S)
        assert browser.run("return location.href") == f"{HERE}/"
        page.shows("5/5 r")
        assert browser.run("return getComputedStyle(cover).display") == "none"
        eventually(lambda: page.colours() > MANY_COLOURS, "it is drawn", WAIT_S)
        if os.environ.get("FLEETCTL_PAGES") == "renew":
            eventually(lambda: _is_worth_a_picture(page.said), "it trains, all is well", WAIT_S)
            PICTURE.write_bytes(browser.picture())

        least(page.sizes("#keys button"), 10)
        row = browser.run("return document.querySelector('.xterm-screen').clientHeight")
        below = browser.run("return document.getElementById('reach').clientHeight")
        rows = int(browser.run("return document.getElementById('terminal').dataset.rows"))
        assert row / rows + below >= LEAST_PX - 1
        page.until("5/5 r")
        browser.tap('[data-keys="?"]')
        page.until("Everything here is live")
        browser.tap("#keys button:first-child")
        eventually(page.last_line, "the last line names its keys", WAIT_S)
        assert not re.search("start|look", page.last_line())  # what is refused here
        browser.tap_at("#reach", page.place("? help"))
        page.until("Everything here is live")
        browser.tap("#keys button:first-child")
        page.until("q leave")
        browser.tap("#keyboard")
        browser.type("a")
        page.until("a terminal can be lent to tmux")
        browser.type("s")
        page.until("This dashboard is read-only")
        over = "return document.body?.classList.contains('-closed')"
        assert not browser.run(over), browser.text("said")
        eventually(lambda: len(dashboards(lab)) == 1, "its process goes on", WAIT_S)
        browser.type("q")
        eventually(lambda: browser.run(over), "it is left", WAIT_S)
        assert browser.text("said") == "The dashboard was left."
        least(page.sizes("#again"), 1)
        eventually(lambda: dashboards(lab) == [], "its process has ended", WAIT_S)
        browser.tap("#again")
        page.until("Topology", "mini1")
    eventually(lambda: dashboards(lab) == [], "that of a browser that is gone, too", WAIT_S)


def least(sizes: list[list[float]], number: int) -> None:
    """There are so many, and a finger hits each."""
    assert len(sizes) >= number
    assert all(size >= LEAST_PX for pair in sizes for size in pair), sizes


def _is_worth_a_picture(said: str) -> bool:
    """What was said last of each: that it trains, and that nothing is wrong."""
    found = re.findall(r"(?:no|[✖▲?] \d+) problems?", said)
    return "moving" in said and bool(found) and found[-1] == "no problem"
