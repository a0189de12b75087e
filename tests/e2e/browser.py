"""A headless Chromium in a lab, by its chromedriver (W3C WebDriver)."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fleetctl.lab import Lab
from fleetctl.lab.blueprint import CONTROLLER
from fleetctl.lab.namespaces import network_of
from tests.e2e.cluster import eventually

PORT = 9515
TIMEOUT_S = 60
WINDOW = (900, 860)
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
OPTIONS += [f"--window-size={WINDOW[0]},{WINDOW[1]}", "--hide-scrollbars"]


def installed() -> bool:
    return bool(shutil.which("chromedriver") and shutil.which("chromium"))


class Browser:
    """A browser on the controller of ``lab``, with one page."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._session = ""

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        with network_of(self._lab.state.processes[CONTROLLER]):
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=TIMEOUT_S)
            connection.connect()
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        assert not (isinstance(value, dict) and "error" in value), value
        return value

    def ready(self) -> bool:
        try:
            return bool(self._ask("GET", "/status")["ready"])
        except OSError:
            return False

    def begin(self) -> None:
        chrome = {"binary": shutil.which("chromium"), "args": OPTIONS}
        wanted = {"alwaysMatch": {"goog:chromeOptions": chrome}}
        made = self._ask("POST", "/session", {"capabilities": wanted})
        self._session = f"/session/{made['sessionId']}"

    def end(self) -> None:
        if self._session:
            self._ask("DELETE", self._session)

    def open(self, url: str) -> None:
        self._ask("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str) -> Any:
        """What a function with this body returns on the page."""
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def click(self, element: str) -> None:
        """Click on the element with this id, as a user does."""
        using = {"using": "css selector", "value": f"#{element}"}
        [found] = self._ask("POST", f"{self._session}/element", using).values()
        self._ask("POST", f"{self._session}/element/{found}/click", {})

    def text(self, element: str) -> str:
        return str(self.run(f"return document.getElementById('{element}').textContent"))

    def picture(self) -> bytes:
        """As PNG."""
        return base64.b64decode(self._ask("GET", f"{self._session}/screenshot"))


@contextmanager
def browsing(lab: Lab) -> Iterator[Browser]:
    """A browser, which is ended afterwards."""
    driver = lab.popen(
        "controller",
        ["chromedriver", f"--port={PORT}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    browser = Browser(lab)
    try:
        eventually(browser.ready, "chromedriver answers", TIMEOUT_S)
        browser.begin()
        yield browser
    finally:
        try:
            browser.end()
        finally:
            driver.terminate()
            driver.wait(TIMEOUT_S)
