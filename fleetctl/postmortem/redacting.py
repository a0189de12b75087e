"""Secrets taken out of everything that is written. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from fleetctl.hiding import HIDDEN, hidden, hidden_value
from fleetctl.model.topology import Fleet

SHORTEST = 4
"""A shorter value is in any text by chance."""
_COMMON = frozenset({"true", "false", "none", "null", "auto", "info", "debug", "warn", "error"})


class Redactor:
    """Knows secret values, and hides them and what looks like one.

    :param secrets: values that must not be seen; those that are too short or mean nothing by
        themselves are left out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for value in secrets for form in _forms(value)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    @classmethod
    def of(cls, fleet: Fleet, more: Iterable[str] = ()) -> Redactor:
        """With the values of variables in nodes.yaml whose names say that they are secrets.

        :param more: such as what is in env_files.
        """
        variables = (
            pair
            for job in fleet.jobs.values()
            for instance in job.instances
            for pair in {**instance.provided, **instance.env}.items()
        )
        return cls([v for n, v in variables if hidden_value(n, v) == HIDDEN] + list(more))

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        if self._known:
            text = self._known.sub(HIDDEN, text)
        # what stands beside a value that is hidden already is not looked at again
        return HIDDEN.join(hidden(piece) for piece in text.split(HIDDEN))

    def value(self, value: object, name: str = "") -> object:
        """A value of JSON without secrets, in keys and in texts.

        :param name: the key below which it stands.
        """
        if isinstance(value, str):
            return hidden_value(name, self.text(value)) if name else self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(k)): self.value(v, str(k)) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value


def _forms(value: str) -> Iterable[str]:
    """As which it may be written: as it is, line by line, in JSON, in a URL."""
    for line in {value, *value.splitlines()}:
        bare = line.strip()
        if len(bare) < SHORTEST or bare.lower() in _COMMON:
            continue
        yield from {
            bare,
            json.dumps(bare)[1:-1],
            quote(bare, safe=""),
            json.dumps(bare, ensure_ascii=False)[1:-1],
        }
