"""The keys and values of nodes.yaml, from which it is read, checked and documented.

``extra["what"]`` is the text in a mistake that says what is allowed. An optional field is ``UNSET``
if it is left out, so that ``defaults`` can fill it. ``| None`` allows a mapping with all entries
commented out.

Annotations are evaluated as the modules are loaded: as texts they would be compiled one by one each
time that a nodes.yaml is read, which is a fiftieth of a short command's time.
"""
