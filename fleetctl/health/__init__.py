"""Pure: from what must be true and what was found to states, and to one problem per root cause."""
