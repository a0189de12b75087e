"""What the lab's machines run: programs that stand in for those of macOS and Raspberry Pi OS.

They are copied into every lab and run there by the machine's own Python, as `python -I -S`, up to
a hundred times per check on few processors. So they use the standard library only, import as little
of it as they can (a regular expression costs as much as half the interpreter), and nothing
of the rest of fleetctl. What the kernel knows they ask the real tools for, hidden under `/.lab`.
"""
