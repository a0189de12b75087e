"""The probes: each file holds one, or several that one text answers, as ``PROBE`` or ``PROBES``."""
