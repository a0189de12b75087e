"""What both front ends say, as values that each draws in its own way. Pure."""
