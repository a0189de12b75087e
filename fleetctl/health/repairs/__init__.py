"""What repairs a finding: the exact commands of each system, what each changes, how it is undone.

Live steps follow from the facts alone. Lasting ones also need to know how the node is set up: they
change what is there, and their undo puts the former value back. All pure.
"""
