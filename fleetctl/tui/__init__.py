"""The dashboard: draws what the service yields; does no SSH, no tmux, no parsing."""
