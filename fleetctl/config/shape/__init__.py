"""The keys and values of nodes.yaml, from which it is read, checked and documented.

``extra["what"]`` is the text in a mistake that says what is allowed. An optional field is ``UNSET``
if it is left out, so that ``defaults`` can fill it. ``| None`` allows a mapping with all entries
commented out.
"""
