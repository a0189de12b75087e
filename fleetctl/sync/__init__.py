"""Copying the code of a job to its nodes."""
