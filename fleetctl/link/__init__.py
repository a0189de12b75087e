"""Connections to nodes, persistent, over SSH or to this machine; every wait has a deadline."""
