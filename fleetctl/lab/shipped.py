"""The fleet and the jobs that come with fleetctl: a small training run, and a model in three parts.

The repository has them at its top, the wheel in ``fleetctl/shipped``.
"""

from __future__ import annotations

from pathlib import Path

ELASTIC_PLACE = "~/Desktop/smolcluster/src/smolcluster"
"""The folder of the training in the shipped nodes.yaml."""
ELASTIC_ENV = {"SMOL_SERVER": "10.10.0.1:65432"}
"""The address of the training's server, with the variable that changes it (examples/elastic)."""

PIPELINE_PLACE = "~/Desktop/smolcluster/src/pipeline"
"""The folder of the model in three parts."""
PIPELINE_PROGRAM = "pipeline.py"
APP_BLOCKS = "4-7"
"""What the stand-in for the iPad's app computes."""

_PACKAGE = Path(__file__).parents[1]


def nodes_yaml() -> Path:
    """The shipped nodes.yaml.

    :raises FileNotFoundError: the installation lacks it.
    """
    return _first(_PACKAGE / "shipped" / "nodes.yaml", _PACKAGE.parent / "nodes.yaml")


def elastic() -> Path:
    """The folder of the training run; as :func:`nodes_yaml`."""
    return _first(_PACKAGE / "shipped" / "elastic", _PACKAGE.parent / "examples" / "elastic")


def pipeline() -> Path:
    """The folder of the model in three parts; as :func:`nodes_yaml`."""
    return _first(_PACKAGE / "shipped" / "pipeline", _PACKAGE.parent / "examples" / "pipeline")


def examples() -> list[tuple[Path, str]]:
    """What the jobs of the shipped nodes.yaml need, each with its place on the nodes."""
    return [(elastic(), ELASTIC_PLACE), (pipeline(), PIPELINE_PLACE)]


def _first(*places: Path) -> Path:
    """The first place that exists: of the wheel, else of a checkout or editable install."""
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"there is none of {', '.join(map(str, places))}")
