"""Breaking a lab on purpose, one thing at a time, and mending it.

Each kind acts on the kernel's real state. What concerns cables and routes is not undone step by
step: the wanted state follows from all active faults together and is set anew, so that faults
combine in any order. To add a kind: CONTRIBUTING.md, "Add a lab fault".
"""
