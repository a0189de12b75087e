"""nodes.yaml that changes while it is in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.cli.context import Context, NodesFile
from fleetctl.errors import ConfigError

TEXT = "fleet: here\nnodes: {here: {connection: local}}\n"


def test_news_is_told_once_and_what_was_read_is_none(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(TEXT)
    file = NodesFile(Context(path, None))
    assert not file.news()
    path.write_text(TEXT.replace("fleet: here", "fleet: other"))
    assert file.news()
    assert not file.news()
    path.write_text(TEXT.replace("fleet: here", "fleet: a-third"))
    assert file.read().fleet.name == "a-third"
    assert not file.news()


def test_an_editor_may_remove_it_for_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(TEXT)
    file = NodesFile(Context(path, None))
    path.rename(tmp_path / "backup")
    assert not file.news()
    with pytest.raises(ConfigError):
        file.read()
    (tmp_path / "backup").rename(path)
    assert not file.news()
    path.unlink()
    path.write_text(TEXT + "# more\n")
    assert file.news()
