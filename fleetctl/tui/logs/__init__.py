"""The panel of logs: its lines, how they are drawn, filtered, searched and saved."""
