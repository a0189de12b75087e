"""The recipes that come with fleetctl: jobs of common frameworks, with the programs they run.

The repository has them in ``examples``, the wheel in ``fleetctl/shipped/recipes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import fleetctl
from fleetctl.cli.saving import save
from fleetctl.errors import FleetctlError
from fleetctl.model.topology import Fleet

NAMES = ("dask", "llama-rpc", "mlx", "mpi", "ray", "torchrun")
_PACKAGE = Path(fleetctl.__file__).parent
_FLEET = "nodes.yaml"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One of :data:`NAMES`.

    :param fleet: the text of its nodes.yaml.
    :param files: the others, by name.
    """

    name: str
    fleet: str
    files: Mapping[str, bytes]

    @property
    def synced(self) -> bool:
        """Whether it has a program, which goes to the nodes before the job starts."""
        return any(name.endswith(".py") for name in self.files)


def read(name: str) -> Recipe:
    """
    :raises FleetctlError: the installation lacks it.
    """
    places = (_PACKAGE / "shipped/recipes" / name, _PACKAGE.parent / "examples" / name)
    for place in places:
        if (place / _FLEET).exists():
            found = {path.name: path for path in sorted(place.iterdir()) if path.is_file()}
            text = found.pop(_FLEET).read_text("utf-8")
            return Recipe(name, text, {n: path.read_bytes() for n, path in found.items()})
    raise FleetctlError(f"this installation lacks the recipe {name}: {places[0]} is not there")


def with_job(text: str, fleet: Fleet, recipe: Recipe, path: Path) -> str:
    """``text`` of the file at ``path`` with the recipe's job for the nodes of ``fleet``.

    :raises UsageError: it does not fit.
    :raises FleetctlError: with it the file would be wrong.
    """
    from fleetctl.config.file import load_text
    from fleetctl.discovery.recipe import with_recipe
    from fleetctl.errors import ConfigError

    own = load_text(recipe.fleet, f"the recipe {recipe.name}")
    new = with_recipe(text, fleet, recipe.fleet, own, recipe.name)
    try:
        jobs = load_text(new, str(path)).jobs
    except ConfigError as error:
        raise FleetctlError(
            f"the recipe {recipe.name} does not fit {path}: {error.mistakes[0]}"
        ) from None
    if list(jobs) != [*fleet.jobs, recipe.name]:
        raise FleetctlError(f"{path} is left as it is: its form does not let a job be added")
    return new


def write_files(recipe: Recipe, folder: Path) -> tuple[list[str], list[str]]:
    """Write the recipe's files into its folder in ``folder``; what is there is left alone.

    :returns: the names of those that were written, and of those that were there, with another
        content.
    :raises FleetctlError: one cannot be written.
    """
    place = folder / recipe.name
    try:
        place.mkdir(exist_ok=True)
        written, kept = [], []
        for name, content in recipe.files.items():
            if not (place / name).exists():
                save(place / name, content.decode(), replace=False, hint="")
                written.append(name)
            elif (place / name).read_bytes() != content:
                kept.append(name)
    except OSError as error:
        raise FleetctlError(f"{place} cannot be written: {error.strerror}") from None
    return written, kept
