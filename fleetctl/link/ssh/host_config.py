"""What the user's SSH configuration says for a host, in the terms that a login here needs.

The values come from ``ssh -G`` (ask_ssh.py), or where there is no ssh from a reader of ours
(user_config.py); their names are those of ssh_config(5) in small letters.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

Values = Mapping[str, Sequence[str]]
"""By directive: its value, or each value of one that may be given several times. Those that have
ssh's default value are left out."""

_NOT_HONOURED = (
    "BindAddress",
    "BindInterface",
    "GSSAPIAuthentication",
    "KnownHostsCommand",
    "PKCS11Provider",
    "ProxyUseFdpass",
    "SecurityKeyProvider",
)
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


class HostConfig(Struct, frozen=True):
    """How ssh would log in to a host, as far as it is not ssh's default."""

    host: str
    """The real name or address."""
    port: int
    user: str
    alias: str | None
    """``HostKeyAlias``."""
    known_hosts: tuple[str, ...] | None
    """Files; None: the default ones. The same for the next."""
    global_known_hosts: tuple[str, ...] | None
    revoked_host_keys: str | None
    """``RevokedHostKeys``, a file."""
    check_address: bool
    """``CheckHostIP``."""
    identity_files: tuple[str, ...] | None
    certificates: tuple[str, ...]
    identities_only: bool
    agent: str | None
    """The agent's socket."""
    proxy_jump: str | None
    proxy_command: tuple[str, ...] | None
    """Its words, to be run without a shell."""
    family: int
    algorithms: Mapping[str, list[str]]
    """By option of asyncssh, where the user has chosen."""
    compression: bool
    strict: str
    """``StrictHostKeyChecking``, which makes a difference for what ssh itself asks."""
    hash_names: bool
    """``HashKnownHosts``: host keys are recorded under hashes of the names."""
    send_env: tuple[str, ...]
    set_env: Mapping[str, str]
    without_keys: tuple[str, ...]
    """The directives that exclude logging in by key, which is the only way here."""
    ignored: tuple[str, ...]
    """The directives that matter and that are not honoured here, with their places."""


def host_config(values: Values, alias_name: str, place: Callable[[str, str], str]) -> HostConfig:
    """
    :param alias_name: the host as nodes.yaml has it.
    :param place: tells where a directive with a value stands; empty: in no file of the user's.
    :raises ValueError: a value is one that fleetctl cannot use.
    """

    def one(name: str) -> str | None:
        found = values.get(name)
        return found[0] if found and found[0].lower() != "none" else None

    def files(name: str) -> tuple[str, ...] | None:
        found = values.get(name)
        if found is None:
            return None
        return tuple(expand(file, tokens) for file in found if file.lower() != "none")

    host, port = one("hostname") or alias_name, int(one("port") or 22)
    user, jump, key_alias = one("user") or getpass.getuser(), one("proxyjump"), one("hostkeyalias")
    tokens = _Tokens(alias_name, host, port, user, jump or "", key_alias or host)
    command = None if jump else one("proxycommand")
    return HostConfig(
        host=host,
        port=port,
        user=user,
        alias=key_alias,
        known_hosts=files("userknownhostsfile"),
        global_known_hosts=files("globalknownhostsfile"),
        revoked_host_keys=one("revokedhostkeys"),
        check_address=one("checkhostip") == "yes",
        identity_files=files("identityfile"),
        certificates=files("certificatefile") or (),
        identities_only=one("identitiesonly") == "yes",
        agent=_agent(values.get("identityagent"), tokens),
        proxy_jump=jump,
        proxy_command=_shell(expand(command, tokens)) if command else None,
        family=_FAMILIES.get(one("addressfamily") or "any", socket.AF_UNSPEC),
        algorithms=_algorithms(values),
        compression=one("compression") == "yes",
        strict=one("stricthostkeychecking") or "ask",
        hash_names=one("hashknownhosts") == "yes",
        send_env=tuple(values.get("sendenv", ())),
        set_env=dict(pair.split("=", 1) for pair in values.get("setenv", ()) if "=" in pair),
        without_keys=_without_keys(values),
        ignored=tuple(_ignored(values, place)),
    )


# -- tokens --------------------------------------------------------------------------------------


class _Tokens(Struct, frozen=True):
    original: str
    host: str
    port: int
    user: str
    jump: str
    recorded_as: str

    def value(self, token: str) -> str:
        """As ssh_config(5), "TOKENS".

        :raises ValueError: there is no such token.
        """
        here = socket.gethostname()
        found = {
            "%": "%",
            "d": str(Path.home()),
            "h": self.host,
            "i": str(os.getuid()),
            "j": self.jump,
            "k": self.recorded_as,
            "L": here.partition(".")[0],
            "l": here,
            "n": self.original,
            "p": str(self.port),
            "r": self.user,
            "u": getpass.getuser(),
        }
        if token == "C":
            whole = f"{here}{self.host}{self.port}{self.user}{self.jump}"
            return hashlib.sha1(whole.encode()).hexdigest()
        if token not in found:
            raise ValueError(f"%{token} is no token of ssh_config(5)")
        return found[token]


def expand(text: str, tokens: _Tokens) -> str:
    """``text`` with its tokens, and its ``${NAME}``, replaced.

    :raises ValueError: there is no such token or variable.
    """

    def replaced(match: re.Match[str]) -> str:
        if (name := match["name"]) is None:
            return tokens.value(match["token"])
        if name not in os.environ:
            raise ValueError(f"there is no environment variable {name}")
        return os.environ[name]

    return re.sub(r"%(?P<token>.?)|\$\{(?P<name>[^}]*)\}", replaced, text, flags=re.DOTALL)


def _shell(command: str) -> tuple[str, ...]:
    """As ssh runs it, by the user's shell."""
    return (os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {command}")


def _agent(chosen: Sequence[str] | None, tokens: _Tokens) -> str | None:
    """The socket of the SSH agent: ``IdentityAgent``, else ``SSH_AUTH_SOCK``; ``None``: no agent.

    As ssh_config(5) has it: ``none``, ``SSH_AUTH_SOCK``, or ``$NAME`` for a variable, or a path.
    """
    default = os.environ.get("SSH_AUTH_SOCK") or None
    if not chosen:
        return default
    written = chosen[0]
    if written == "SSH_AUTH_SOCK":
        return default
    if written.lower() == "none":
        return None
    if written.startswith("$") and not written.startswith("${"):
        return os.environ.get(written[1:]) or None
    return str(Path(expand(written, tokens)).expanduser())


# -- what asyncssh is told -----------------------------------------------------------------------

_ALGORITHMS = {
    "ciphers": "encryption_algs",
    "hostkeyalgorithms": "server_host_key_algs",
    "kexalgorithms": "kex_algs",
    "macs": "mac_algs",
    "pubkeyacceptedalgorithms": "signature_algs",
}
"""By directive: the option of asyncssh."""


def _algorithms(values: Values) -> dict[str, list[str]]:
    """
    :raises ValueError: asyncssh has none of those that the user wants.
    """
    found = {}
    for directive, option in _ALGORITHMS.items():
        if directive in values:
            known = {name.decode() for name in _possible(directive)}
            wanted = values[directive][0].split(",")
            found[option] = [name for name in wanted if name in known]
            if not found[option]:
                raise ValueError(f"fleetctl has none of the {directive} {values[directive][0]}")
    return found


def _possible(directive: str) -> list[bytes]:
    """What it can be; the modules are slow to import, and most users choose nothing."""
    match directive:
        case "ciphers":
            from asyncssh.encryption import get_encryption_algs

            return get_encryption_algs()
        case "kexalgorithms":
            from asyncssh.kex import get_kex_algs

            return get_kex_algs()
        case "macs":
            from asyncssh.mac import get_mac_algs

            return get_mac_algs()
    from asyncssh.public_key import get_certificate_algs, get_public_key_algs

    return get_public_key_algs() + get_certificate_algs()


def _ignored(values: Values, place: Callable[[str, str], str]) -> list[str]:
    """A distribution's own defaults, outside the user's files, are not told."""
    found = []
    for name in _NOT_HONOURED:
        value = (values.get(name.lower()) or ("none",))[0]
        if value.lower() in ("none", "no", "false"):
            continue
        if where := place(name, value):
            found.append(f"{name} {value} ({where})")
    return [*found, *_without_keys(values)]


def _without_keys(values: Values) -> tuple[str, ...]:
    found = []
    preferred = values.get("preferredauthentications")
    if preferred and "publickey" not in preferred[0].split(","):
        found.append(f"PreferredAuthentications {preferred[0]}")
    if (values.get("pubkeyauthentication") or ("yes",))[0].lower() in ("no", "false"):
        found.append("PubkeyAuthentication no")
    return tuple(found)
