"""The SSH configuration of each host: asked of ssh, or read here where there is none."""

from __future__ import annotations

import shutil

from fleetctl.errors import ConnectFailed
from fleetctl.link.ssh import user_config
from fleetctl.link.ssh.ask_ssh import AskedSSH, Refused, place
from fleetctl.link.ssh.host_config import HostConfig, host_config
from fleetctl.local_files import cache_file
from fleetctl.model.topology import SSH


class HostConfigs:
    """Finds out each host's, once for all commands as long as no file changes."""

    def __init__(self) -> None:
        ssh = shutil.which("ssh")
        self._asked = AskedSSH(ssh, cache_file("ssh-config.json")) if ssh else None

    async def of(self, name: str, ssh: SSH) -> HostConfig:
        """What ssh's configuration says for the host of the node ``name``; what nodes.yaml says
        comes first.

        :raises ConnectFailed: it cannot be read, or ssh refuses it.
        """
        try:
            if self._asked is None:
                values = user_config.values(ssh.host, ssh.user, ssh.port)
                files = [str(user_config.FILE)]
            else:
                answer = await self._asked.answer(
                    ssh.host, ssh.user, ssh.port, ssh.connect_timeout_s
                )
                values, files = answer.values, answer.files
            return host_config(values, ssh.host, lambda name, value: place(files, name, value))
        except (Refused, ValueError, OSError) as error:
            raise ConnectFailed(
                name,
                f"the SSH configuration for {ssh.host} cannot be used: {error}",
                hint=f"`ssh -G {ssh.host}` shows what ssh makes of it.",
                silent=False,
            ) from None
