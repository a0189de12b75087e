"""Immutable values that the rest of fleetctl uses. No I/O."""
