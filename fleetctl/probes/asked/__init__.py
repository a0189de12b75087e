"""All probes: each file has one as ``PROBE``, or several that share a command as ``PROBES``."""
