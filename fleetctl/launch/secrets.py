"""The secrets of a job: what its env_files hold, read on the controller before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fleetctl.launch.env_file import read_env_file
from fleetctl.model.jobs import Instance


class Secrets:
    """Variables by instance. They go to nodes over stdin; this object never shows them."""

    def __init__(self, instances: Iterable[Instance]) -> None:
        """Read every file once.

        :raises UsageError: a file cannot be read, or is no list of variables.
        """
        paths = {instance.env_file for instance in instances if instance.env_file}
        self._files = {path: read_env_file(path) for path in sorted(paths)}

    def of(self, instance: Instance) -> Mapping[str, str]:
        return self._files[instance.env_file] if instance.env_file else {}

    def __repr__(self) -> str:
        return f"<Secrets from {len(self._files)} files>"
