"""Breaking a lab on purpose, one thing at a time, and mending it.

Each kind changes the kernel's real state. Faults of cables and routes are not undone step by step:
the wanted state is derived from all active faults together and set again, so that faults combine
in any order. To add a kind: CONTRIBUTING.md, "Add a lab fault".
"""
