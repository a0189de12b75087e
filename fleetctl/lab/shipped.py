"""The fleet and the job that come with fleetctl: five machines and a small training run.

The repository keeps them at its top; the wheel carries the same files in ``fleetctl/shipped``.
"""

from __future__ import annotations

from pathlib import Path

ELASTIC_PLACE = "~/Desktop/smolcluster/src/smolcluster"
"""Where the shipped nodes.yaml runs the training."""
ELASTIC_ENV = {"SMOL_SERVER": "10.10.0.1:65432"}
"""Where the training's server is unless this variable says otherwise (examples/elastic)."""

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
    """In an installed wheel; in a checkout, which an editable install runs from."""
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"there is none of {', '.join(map(str, places))}")
