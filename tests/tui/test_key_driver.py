"""Keys as a terminal sends them: sequences stay whole, a lone Esc is a key."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key

from fleetctl.tui.app import FleetApp
from fleetctl.tui.driver import KeyDriver
from tests.tui.stage import Stage
from tests.waiting import eventually


class _Keys(KeyDriver):
    """Reads a pipe in place of a terminal."""

    def __init__(self, fileno: int) -> None:
        self.fileno = fileno
        self.exit_event = threading.Event()
        self._debug = False
        self.keys: list[str] = []

    def process_message(self, message: Any) -> None:
        if isinstance(message, Key):
            self.keys.append(message.key)


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ([b"\x1b"], ["escape"]),
        ([b"\x1b[A", b"x"], ["up", "x"]),
        ([b"j", b"\x1b"], ["j", "escape"]),
        (["ö".encode()[:1], "ö".encode()[1:]], ["ö"]),
    ],
)
def test_what_is_typed_are_these_keys(typed: list[bytes], keys: list[str]) -> None:
    reads, writes = os.pipe()
    driver = _Keys(reads)
    reader = threading.Thread(target=driver.run_input_thread)
    reader.start()
    try:
        for part in typed:
            os.write(writes, part)
        eventually(lambda: len(driver.keys) >= len(keys), f"{keys}")
    finally:
        driver.exit_event.set()
        reader.join(10)
        os.close(reads)
        os.close(writes)
    assert not reader.is_alive()
    assert driver.keys == keys


def test_a_browser_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FleetApp(Stage()).driver_class is KeyDriver
    monkeypatch.setattr("textual.constants.DRIVER", "textual.drivers.linux_driver:_Other")
    monkeypatch.setattr(
        "textual.drivers.linux_driver._Other", type("_Other", (LinuxDriver,), {}), raising=False
    )
    assert FleetApp(Stage()).driver_class is not KeyDriver
