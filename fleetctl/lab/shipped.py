"""The fleet and the job that come with fleetctl: five machines and a small training run.

The repository has them at its top, the wheel in ``fleetctl/shipped``.
"""

from __future__ import annotations

from pathlib import Path

ELASTIC_PLACE = "~/Desktop/smolcluster/src/smolcluster"
"""The folder of the training in the shipped nodes.yaml."""
ELASTIC_ENV = {"SMOL_SERVER": "10.10.0.1:65432"}
"""The address of the training's server, with the variable that changes it (examples/elastic)."""

_PACKAGE = Path(__file__).parents[1]


def nodes_yaml() -> Path:
    """The shipped nodes.yaml.

    :raises FileNotFoundError: the installation lacks it.
    """
    return _first(_PACKAGE / "shipped" / "nodes.yaml", _PACKAGE.parent / "nodes.yaml")


def elastic() -> Path:
    """The folder of the training run; as :func:`nodes_yaml`."""
    return _first(_PACKAGE / "shipped" / "elastic", _PACKAGE.parent / "examples" / "elastic")


def _first(*places: Path) -> Path:
    """The first place that exists: of the wheel, else of a checkout or editable install."""
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"there is none of {', '.join(map(str, places))}")
