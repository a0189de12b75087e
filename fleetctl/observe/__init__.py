"""Asking nodes, once or repeatedly: questions, looks, conversations, watching."""
