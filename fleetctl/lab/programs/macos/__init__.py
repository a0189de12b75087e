"""Commands of macOS that fleetctl uses, with BSD's options and output, on real kernel state."""
