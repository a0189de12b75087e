"""Every kind of problem there is."""
