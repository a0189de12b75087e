"""What is kept of the fleet over time, on the controller."""
