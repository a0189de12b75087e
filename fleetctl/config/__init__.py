"""nodes.yaml: from the text a user writes to the model, with every mistake at its place."""

from fleetctl.config.file import find, load, load_text, load_with_notes

__all__ = ["find", "load", "load_text", "load_with_notes"]
