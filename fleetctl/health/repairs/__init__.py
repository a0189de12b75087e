"""The commands that repair a finding on each system, what each changes and how it is undone.

Live steps follow from the facts alone. Lasting ones also need the node's setup, since they change
it, and their undo restores the former value. All pure.
"""
