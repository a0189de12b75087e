"""What followed logs say of a node that cannot be asked."""

from __future__ import annotations

import pytest

from fleetctl.errors import LinkLost
from fleetctl.logs.events import sentence


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("Is the node switched on?", "no answer. Is the node switched on?"),
        ("See its power.", "no answer. See its power."),
        ("See its power", "no answer. See its power."),
        ("", "no answer."),
    ],
)
def test_it_ends_as_a_sentence_does(hint: str, said: str) -> None:
    assert sentence(LinkLost("pi4", "no answer", hint=hint)) == said
