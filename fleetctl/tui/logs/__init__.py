"""The panel of logs: what it shows, how lines are drawn, asked for and saved."""
