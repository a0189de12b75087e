"""The fleet in the forms that other programs read: SSH, MLX, Ansible, torchrun, MPI, Graphviz."""
