"""Repairing nodes: proposals from a check, applied step by step. Each step is first recorded on its
node, so that any controller can undo it."""
