"""Reading keys from the terminal: Textual's driver, with an Esc that does not wait."""

from __future__ import annotations

import os
from codecs import getincrementaldecoder
from contextlib import suppress
from select import select

from textual import constants
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

_READ_BYTES = 4096
_LOOK_S = 0.1
"""How often it is looked whether the dashboard was left."""
_ESCAPE = "\x1b"


class KeyDriver(LinuxDriver):
    """Textual's own looks only every 0.1 s whether an Esc is the whole key, however short
    ``ESCDELAY`` is."""

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
