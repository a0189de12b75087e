"""Reading nodes.yaml into the model, and reporting every mistake with its line and column."""

from fleetctl.config.file import find, load, load_text, load_with_notes

__all__ = ["find", "load", "load_text", "load_with_notes"]
