"""Access to nodes: the cluster's key, its place in each account, and the nodes' host keys."""
