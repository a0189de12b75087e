"""What is kept of a failure, or of a fault of fleetctl itself, in one folder for people."""
