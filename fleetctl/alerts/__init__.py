"""Telling people what goes wrong, by the rules in ``alerts`` of nodes.yaml."""
