"""`elastic: true` of a job."""

from __future__ import annotations

from fleetctl.config import load_text
from fleetctl.model.jobs import Job

TEXT = """\
fleet: f
nodes: {a: {}, b: {}}
jobs:
  j:
    ELASTIC
    services:
      s:
        on: [ON]
        command: run --rank {rank} --of {world_size} COMMAND
        env: {RANK: "{rank}"}
"""


def job(elastic: str, on: str, command: str = "") -> Job:
    text = TEXT.replace("ELASTIC", elastic).replace("ON]", f"{on}]").replace("COMMAND", command)
    return load_text(text, "nodes.yaml").jobs["j"]


def test_a_rank_or_the_number_of_members_renews_nothing() -> None:
    [alone] = job("elastic: true", "b").instances
    assert (alone.rank, alone.command) == (1, "run --rank 1 --of 1")
    second = job("elastic: true", "a, b").instances[1]
    assert (second.rank, second.world_size, second.command) == (2, 2, "run --rank 2 --of 2")
    assert dict(second.env) == {"RANK": "2"}
    assert alone.definition_hash == second.definition_hash
    other = job("elastic: true", "a, b", "--fast").instances[1]
    assert other.definition_hash != second.definition_hash


def test_without_it_they_do() -> None:
    [alone] = job("elastic: false", "b").instances
    second = job("", "a, b").instances[1]
    assert alone.definition_hash != second.definition_hash
    assert not job("", "a").elastic and job("elastic: true", "a").elastic
