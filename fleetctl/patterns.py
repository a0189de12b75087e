"""Regular expressions that are compiled when they are first used.

A short command imports the parsers for every operating system and uses few of their expressions; to
compile all of them would be a twentieth of its time.
"""

from __future__ import annotations

import re
from typing import Any, cast


def pattern(text: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """As :func:`re.compile`, but a mistake in ``text`` is only raised by the first use."""
    return cast("re.Pattern[str]", _Pattern(text, flags))


class _Pattern:
    def __init__(self, text: str, flags: re.RegexFlag) -> None:
        self._asked = text, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(*self._asked), name)
        setattr(self, name, value)  # from now on it is found at once
        return value
