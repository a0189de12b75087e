"""The dashboard: draws what the service yields; holds no SSH, no tmux, no parsing."""
