"""One persistent connection per node, over SSH or on this machine; every wait has a deadline."""
