"""Measures what links carry: round trips and bandwidth, one path after another."""
