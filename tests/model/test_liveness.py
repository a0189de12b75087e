"""Each kind of question is handled wherever kinds differ, and is in the page."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from fleetctl.launch import node_files
from fleetctl.launch.node_files import spec_text
from fleetctl.model.liveness import Liveness, LivenessKind
from tests.launch.jobs import instance

PAGE = (Path(__file__).parents[2] / "docs" / "nodes-yaml.md").read_text("utf-8")
KINDS = get_args(LivenessKind)


def test_every_kind_is_in_the_page() -> None:
    section = PAGE.partition("### liveness")[2].partition("### ")[0]
    assert re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", section, re.M)[:4] == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_words_and_can_be_asked(kind: LivenessKind) -> None:
    liveness = Liveness(kind, "60" if kind == "silence" else "http://a:1/")
    assert liveness.value in liveness.question
    spec = spec_text(instance(liveness=liveness), "r", {})
    show = f'{spec}\nasks; echo "$liveness $asked $naps $nap $limit $failures $signal $grace"'
    said = subprocess.check_output(["dash", "-c", show], text=True)
    assert said == f"{kind} {liveness.value} 10 1 5 3 TERM 100\n"
    prober = Path(node_files.__file__).with_name("prober.sh").read_text("utf-8")
    assert kind == "silence" or f"ask_{kind}()" in prober


def test_the_definition_of_a_service_without_liveness_has_the_hash_it_always_had() -> None:
    assert instance().definition_hash == "bd66e4c4538f"
    one, other = (instance(liveness=Liveness("silence", s)) for s in ("60", "61"))
    assert len({instance().definition_hash, one.definition_hash, other.definition_hash}) == 3
