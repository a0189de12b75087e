"""Texts of both front ends, as values that each draws in its own way. Pure."""
