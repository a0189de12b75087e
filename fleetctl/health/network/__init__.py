"""The network's truth: what each node says held against what must be true, and why it is not.

``rows`` compares, ``findings`` names what a node's own facts show to be wrong, ``causes`` explains
with them who cannot reach whom, ``diagnosis`` makes one problem of each root cause. All pure.
"""
