"""The loopback lab: every node is an SSH server on 127.0.0.1. Needs no root; also on macOS."""

from fleetctl.lab.loopback.derive import CANNOT_SHOW
from fleetctl.lab.loopback.lab import KINDS as LOOPBACK_KINDS
from fleetctl.lab.loopback.lab import LoopbackLab

__all__ = ["CANNOT_SHOW", "LOOPBACK_KINDS", "LoopbackLab"]
