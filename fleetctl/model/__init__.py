"""Frozen values that the rest of fleetctl passes around. No I/O, nothing that changes."""
