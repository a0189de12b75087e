"""Logs: segments on the node, followed by byte offset, framed into lines and merged."""
