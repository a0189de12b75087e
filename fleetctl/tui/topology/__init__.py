"""The fleet's networks and nodes, drawn as text. Pure: no Textual in it."""

from fleetctl.tui.topology.draw import Topology, draw
from fleetctl.tui.topology.drawing import Cell, Drawing, Target

__all__ = ["Cell", "Drawing", "Target", "Topology", "draw"]
