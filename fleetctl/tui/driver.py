"""The terminal: Textual's driver, with an Esc that does not wait, and ASCII where that is all."""

from __future__ import annotations

import os
from codecs import getincrementaldecoder
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from select import select
from typing import Any

from textual import constants
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from fleetctl.words.ascii_text import in_ascii

_READ_BYTES = 4096
_LOOK_S = 0.1
"""How often it is looked whether the dashboard was left."""
_ESCAPE = "\x1b"
_LOCALE = ("LC_ALL", "LC_CTYPE", "LANG")
"""The first that is set says which characters there are (POSIX, 8.2)."""


class KeyDriver(LinuxDriver):
    """Textual's own looks only every 0.1 s whether an Esc is the whole key, however short
    ``ESCDELAY`` is; and it draws in UTF-8 on every terminal."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ascii_only = is_ascii_only(given_environment())

    def write(self, data: str) -> None:
        super().write(in_ascii(data) if self.ascii_only else data)

    def run_input_thread(self) -> None:
        """Hand over what is typed until the dashboard is left."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")().decode
        wait_s = _LOOK_S
        try:
            while not self.exit_event.is_set():
                ready, _, _ = select([self.fileno], [], [], wait_s)
                text = decode(os.read(self.fileno, _READ_BYTES)) if ready else ""
                wait_s = constants.ESCAPE_DELAY if text.endswith(_ESCAPE) else _LOOK_S
                if text:
                    for event in parser.feed(text):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
        finally:
            with suppress(EOFError, ParseError):
                for _ in parser.feed(""):
                    pass


def is_ascii_only(environment: Mapping[str, str]) -> bool:
    """Whether the locale is ``C``, or of another charset than UTF-8. One that is not given says
    nothing, and nearly all terminals are UTF-8."""
    locale = next((found for name in _LOCALE if (found := environment.get(name))), "")
    return bool(locale) and "utf8" not in locale.lower().replace("-", "")


def given_environment() -> Mapping[str, str]:
    """What this process was given: Python itself changes ``LC_CTYPE`` from C to UTF-8 (PEP 538).
    Where the system does not tell, what Python has."""
    try:
        content = Path("/proc/self/environ").read_bytes()
    except OSError:
        return os.environ
    pairs = (entry.partition("=") for entry in os.fsdecode(content).split("\0"))
    return {name: value for name, _, value in pairs}
