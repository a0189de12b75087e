"""The state of the fleet, and one problem per root cause, from what was found. Pure."""
