"""Repairing nodes: proposals from a check, applied one by one, each written down on its node first
so that any laptop can undo it."""
