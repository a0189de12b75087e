"""Starting and stopping instances, and their files on the nodes."""
