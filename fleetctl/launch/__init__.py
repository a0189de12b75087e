"""Starting and stopping instances: the plan, the runner that drives it, the files on the node."""
