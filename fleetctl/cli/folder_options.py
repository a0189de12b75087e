"""The options of commands that make a folder and an archive of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


def folder_options(command: _F) -> _F:
    """Adds ``--to`` and ``--no-archive``, which the command takes as ``to`` and ``no_archive``."""
    archive = click.option(
        "--no-archive", is_flag=True, help="Make no .tar.zst or .tar.gz beside it."
    )
    to = click.option(
        "--to",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        metavar="DIR",
        help="Make the folder in DIR; else in the current folder.",
    )
    return to(archive(command))
