"""The small lab: every node an SSH server on this machine's loopback. No root, also on macOS."""

from fleetctl.lab.loopback.derive import CANNOT_SHOW
from fleetctl.lab.loopback.lab import KINDS as LOOPBACK_KINDS
from fleetctl.lab.loopback.lab import LoopbackLab

__all__ = ["CANNOT_SHOW", "LOOPBACK_KINDS", "LoopbackLab"]
