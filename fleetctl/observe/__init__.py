"""Asking nodes, once or again and again: questions, looks, conversations, watching."""
