"""fleetctl: one tool for a small cluster built out of what you have."""

__version__ = "0.1.0"
