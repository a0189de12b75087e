"""The commands of a Mac that fleetctl may use, in their BSD form over the kernel's real state."""
