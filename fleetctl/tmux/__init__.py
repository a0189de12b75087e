"""tmux on the nodes, driven by libtmux over a link; nothing outside this package knows libtmux."""
