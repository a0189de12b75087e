"""The secrets of a job: its env_files, read on the controller before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fleetctl.env_file import read_env_file
from fleetctl.model.jobs import Instance


class Secrets:
    """Secret variables by instance. They go to nodes by stdin only, and ``repr`` hides them."""

    def __init__(self, instances: Iterable[Instance]) -> None:
        """Read every file once.

        :raises UsageError: as :func:`~fleetctl.env_file.read_env_file`.
        """
        paths = {instance.env_file for instance in instances if instance.env_file}
        self._files = {path: read_env_file(path) for path in sorted(paths)}

    def of(self, instance: Instance) -> Mapping[str, str]:
        return self._files[instance.env_file] if instance.env_file else {}

    def __repr__(self) -> str:
        return f"<Secrets from {len(self._files)} files>"
