"""Values that look like secrets, hidden from what is printed: people paste that into reports."""

from __future__ import annotations

import re

from fleetctl.patterns import pattern

HIDDEN = "(hidden)"

# not "tokens", of which people give a number
_NAME = (
    r"[\w-]*(?:secrets?|token|passw(?:or)?ds?|passphrase|credentials?"
    r"|(?:api|access|private|auth)[_-]?keys?)"
)
_NAMED = pattern(_NAME, re.IGNORECASE)
_WORD = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"';|&]+)"""
# in a command: NAME=value, --name=value, --name value. The next line is another matter, unless the
# name is an option, or the line goes on: "for secrets" at the end of a comment names no secret.
_IN_COMMAND = pattern(
    rf"(?P<name>--{_NAME}\s+|{_NAME}(?:=|[ \t]+(?:\\\n\s*)?|:[ \t]*))(?P<value>{_WORD})",
    re.IGNORECASE,
)
# https://user:password@host
_IN_ADDRESS = pattern(r"(?P<name>\b[a-z][a-z0-9+.-]*://[^\s/:@]+:)(?P<value>[^\s/@]+)(?=@)")
# what well-known services' keys begin with, and private keys
_KNOWN = pattern(
    r"\b(?:hf_|sk-|gh[pousr]_|github_pat_|glpat-|xox[abpr]-|AKIA|ya29\.)[\w.-]{12,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    re.DOTALL,
)


def hidden_value(name: str, value: str) -> str:
    """The value of a variable, unless the name or the value itself says that it is a secret."""
    return HIDDEN if value and _NAMED.fullmatch(name) else hidden(value)


def hidden(text: str) -> str:
    """``text``, such as a command, without what looks like a secret in it."""
    for known in (_IN_COMMAND, _IN_ADDRESS):
        text = known.sub(rf"\g<name>{HIDDEN}", text)
    return _KNOWN.sub(HIDDEN, text)
