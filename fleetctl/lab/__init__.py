"""The virtual fleet: a user's own cluster in network namespaces of one Linux machine."""

from fleetctl.lab.lab import Lab
from fleetctl.lab.state import Fault

__all__ = ["Fault", "Lab"]
