"""Programs of the lab's machines, in place of those of macOS and Raspberry Pi OS.

They are copied into every lab and run by the machine's own Python, as `python -I -S`, up to a
hundred times per check on few processors. So they use the standard library only, import as little
of it as possible (`re` takes half as long as the interpreter itself), and nothing of the rest of
fleetctl. For the kernel's state they run the real tools, which are hidden under `/.lab`.
"""
