"""Links that go over the connections of a `fleetctl serve` of this user on this machine."""
