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

from msgspec import Struct

from fleetctl.lab import Lab
from fleetctl.lab.blueprint import CONTROLLER
from fleetctl.lab.namespaces import network_of
from tests.e2e.cluster import eventually

PORT = 9515
TIMEOUT_S = 60
WINDOW = (900, 860)
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
OPTIONS += [f"--window-size={WINDOW[0]},{WINDOW[1]}", "--hide-scrollbars"]


_BOX = "const box = document.querySelector({}).getBoundingClientRect();"
_MIDDLE = "[box.x + box.width / 2, box.y + box.height / 2];"


def installed() -> bool:
    return bool(shutil.which("chromedriver") and shutil.which("chromium"))


class Touch(Struct, frozen=True):
    """A tablet's screen, in pixels."""

    width: int
    height: int


class Browser:
    """A browser on the controller of ``lab``, with one page.

    :param touch: it is a tablet's.
    :param first: a script that runs on each page before its own.
    """

    def __init__(self, lab: Lab, touch: Touch | None = None, first: str = "") -> None:
        self._lab = lab
        self._touch = touch
        self._first = first
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
        chrome: dict[str, Any] = {"binary": shutil.which("chromium"), "args": OPTIONS}
        if one := self._touch:
            metrics = {"width": one.width, "height": one.height, "pixelRatio": 1.0, "touch": True}
            chrome["mobileEmulation"] = {"deviceMetrics": metrics}
        wanted = {"alwaysMatch": {"goog:chromeOptions": chrome}}
        made = self._ask("POST", "/session", {"capabilities": wanted})
        self._session = f"/session/{made['sessionId']}"
        if self._first:
            script = {"source": self._first}
            added = {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": script}
            self._ask("POST", f"{self._session}/goog/cdp/execute", added)

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

    def tap(self, selector: str) -> None:
        """Tap with a finger on the middle of what a CSS selector finds."""
        self._finger(*self.run(f"{_BOX.format(json.dumps(selector))} return {_MIDDLE}"))

    def tap_at(self, selector: str, x: float) -> None:
        """Tap with a finger, ``x`` pixels from the left of the page, at the height of that."""
        _, y = self.run(f"{_BOX.format(json.dumps(selector))} return {_MIDDLE}")
        self._finger(x, y)

    def _finger(self, x: float, y: float) -> None:
        where = {"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)}
        down, up = ({"type": f"pointer{way}", "button": 0} for way in ("Down", "Up"))
        finger = {"type": "pointer", "id": "finger", "parameters": {"pointerType": "touch"}}
        self._act({**finger, "actions": [where, down, up]})

    def type(self, keys: str) -> None:
        """Type on a keyboard."""
        actions = [{"type": f"key{way}", "value": key} for key in keys for way in ("Down", "Up")]
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def _act(self, source: object) -> None:
        self._ask("POST", f"{self._session}/actions", {"actions": [source]})

    def text(self, element: str) -> str:
        return str(self.run(f"return document.getElementById('{element}').textContent"))

    def picture(self) -> bytes:
        """As PNG."""
        return base64.b64decode(self._ask("GET", f"{self._session}/screenshot"))


@contextmanager
def browsing(lab: Lab, touch: Touch | None = None, first: str = "") -> Iterator[Browser]:
    """A browser, which is ended afterwards; see :class:`Browser`."""
    driver = lab.popen(
        "controller",
        ["chromedriver", f"--port={PORT}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    browser = Browser(lab, touch, first)
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
