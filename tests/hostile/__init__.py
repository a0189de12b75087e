"""Nodes that misbehave: what they send, and what becomes of those beside them."""
