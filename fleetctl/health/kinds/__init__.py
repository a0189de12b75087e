"""All kinds of problems."""
