"""What was measured and what happened so far, for the screens that show it over time."""
