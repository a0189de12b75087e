"""fleetctl: one tool for a small cluster of Macs, Raspberry Pis and Linux machines."""

__version__ = "0.1.0"
