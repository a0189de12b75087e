"""Diagnosis of the network: what must be true, what is, and the root cause of each difference.

``rows`` compares, ``findings`` names what a node's own facts show to be wrong, ``causes`` finds
those that explain an unanswered ping, ``diagnosis`` makes one problem of each root cause. All pure.
"""
