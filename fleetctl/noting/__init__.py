"""Noting on the nodes which controller did what there, so that several of them see one story."""
