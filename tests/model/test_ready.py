"""Each kind of ready condition is handled wherever kinds differ."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from fleetctl.config.ready import KINDS
from fleetctl.model.ready import AskedKind, JudgedKind, Ready, ReadyKind

PAGE = (Path(__file__).parents[2] / "docs" / "nodes-yaml.md").read_text("utf-8")


def test_a_kind_is_answered_by_facts_or_asked_for() -> None:
    judged, asked = set(get_args(JudgedKind)), set(get_args(AskedKind))
    assert judged | asked == set(get_args(ReadyKind))
    assert not judged & asked


@pytest.mark.parametrize("kind", get_args(ReadyKind))
def test_a_kind_says_which_it_is_and_why_it_does_not_hold(kind: ReadyKind) -> None:
    ready = Ready(kind, "what is asked")
    assert (ready.judged, ready.asked).count(None) == 1
    assert ("what is asked" in (ready.not_yet or "")) == (ready.asked is not None)


def test_every_kind_but_the_default_one_can_be_written_and_is_in_the_page() -> None:
    assert set(get_args(ReadyKind)) - set(KINDS) == {"alive"}
    assert re.findall(r"^\| `(\w+): [^`]+` \| .", PAGE, re.M) == list(KINDS)
