"""The panels of the dashboard, one per file."""
