"""From hosts and what they answer to a first nodes.yaml. Pure."""
