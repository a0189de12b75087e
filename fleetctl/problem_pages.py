"""The page of each problem code: how it looks, why it happens, how it is repaired.

The pages are Markdown: ``docs/problems`` in the repository, ``fleetctl/pages`` in the wheel.
"""

from __future__ import annotations

from pathlib import Path

from fleetctl.health.kinds.registry import KINDS

CODES = tuple(KINDS)

_PACKAGE = Path(__file__).parent
_PLACES = (_PACKAGE / "pages", _PACKAGE.parent / "docs" / "problems")
"""In an installed wheel; in a checkout, also for an editable install."""


def page(code: str) -> str:
    """The page of ``code``, as Markdown.

    :raises KeyError: there is no such code.
    """
    if code not in CODES:
        raise KeyError(code)
    for folder in _PLACES:
        file = folder / f"{code}.md"
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise FileNotFoundError(f"{code}.md is in none of {', '.join(map(str, _PLACES))}")


def title(code: str) -> str:
    """What ``code`` means, in one line; it is the heading of its page.

    :raises KeyError: there is no such code.
    """
    heading, _, _ = page(code).partition("\n")
    return heading.removeprefix(f"# {code}: ")
