"""What a terminal would show of a line of a log. Pure.

It is also part of what runs on nodes (``fleetctl/launch/membership.py``), by python3 3.7 or later.
"""

from __future__ import annotations

import re

# A log must not move the cursor, rename the window or fill the clipboard. Removed are CSI sequences
# other than colours (SGR, final byte m), with the control characters that terminals allow inside;
# OSC, DCS, SOS, PM and APC strings up to their end; two-byte escapes; other control characters.
# Every ESC that stays begins a whole colour sequence.
_CONTROL = re.compile(
    rb"\x1b\[(?![0-9;:]*m)[\x00-\x1a\x1c-\x3f\x7f]*[@-~]?"
    rb"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"
    rb"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"
    rb"|\x1b(?!\[)"
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"
)
# C1 controls; and in UTF-8 what HIDDEN of escaping.py lists
_UNSEEN = re.compile(
    rb"\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xa9]|\xef\xbb\xbf"
)
_LEADS = (b"\xc2", b"\xe2\x80", b"\xe2\x81", b"\xef\xbb\xbf", b"\xd8\x9c")
_RESET = b"\x1b[0m"
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# U+009B and U+009D begin sequences, too. Replaced, since removing them could form a new sequence.
_CONTROLS = bytes([*range(0x09), *range(0x0B, 0x20), 0x7F])


def needs_work(data: bytes) -> bool:
    """Whether there is anything to tidy; ten times faster than the regular expression."""
    if len(data.translate(None, _CONTROLS)) != len(data):
        return True
    return any(lead in data for lead in _LEADS) and _UNSEEN.search(data) is not None


def tidy(line: bytes) -> bytes:
    """What a terminal would show of one line, without its end, with colours, which end with it.

    Of a progress bar that redraws itself with carriage returns, only the last state is left.
    """
    if not needs_work(line):
        return line
    line = line.rstrip(b"\r")
    if b"\r" in line:
        line = line.rpartition(b"\r")[2]
    line = _UNSEEN.sub("\N{REPLACEMENT CHARACTER}".encode(), _CONTROL.sub(b"", line))
    last = line.rfind(b"\x1b[")
    coloured = last >= 0 and not line.startswith((_RESET, b"\x1b[m"), last)
    return line + _RESET if coloured else line


def plain(text: str) -> str:
    """Tidied ``text`` without colours."""
    return _COLOUR.sub("", text) if "\x1b" in text else text


def read(line: bytes) -> str:
    """One line as a person reads it: :func:`tidy`, without colours."""
    return plain(tidy(line).decode("utf-8", "replace"))
