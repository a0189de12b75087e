"""The lab: a virtual copy of a user's fleet, in network namespaces of one Linux machine."""

from fleetctl.lab.lab import Lab
from fleetctl.lab.state import Fault

__all__ = ["Fault", "Lab"]
