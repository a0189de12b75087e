"""What to say of a host key that does not count, and what can be done."""

from __future__ import annotations

from collections.abc import Sequence

import asyncssh

from fleetctl.errors import HostKeyChanged, HostKeyUnknown, LinkError
from fleetctl.link.ssh.host_keys import Judged
from fleetctl.link.ssh.known_hosts import Entry
from fleetctl.link.ssh.way_in import Login, path_word
from fleetctl.quoting import quote

_DEFAULT_FILE = "~/.ssh/known_hosts"
_RECORDED_TOLD = 3


def host_key_error(
    name: str, login: Login, key: asyncssh.SSHKey | None, judged: Judged, reason: str
) -> LinkError:
    """
    :param key: what the host shows; None: none that is known, for ``reason``.
    """
    options, known = login.options, login.host_keys.known
    if key is None:
        return HostKeyUnknown(name, f"{login.where}: {reason}")
    shown = key.get_fingerprint()
    alias = options.host_key_alias
    called = f"{login.where} (HostKeyAlias {alias})" if alias else login.where
    if judged.verdict == "revoked":
        return HostKeyChanged(
            name,
            f"{called} shows the host key {shown}, which {judged.entries[0].where} revokes",
            hint="Whoever has that key can pose as the node: give it a new one at its screen "
            "(ssh-keygen -A makes what is missing), and record that.",
        )
    if judged.of_address:
        return HostKeyChanged(
            name,
            f"{called} shows the host key {shown}, which is recorded for it, but not the one "
            f"recorded for its address (CheckHostIP yes): {_recorded(judged.entries, key)}",
            hint="If that address was another machine's before, "
            f"{_forgetting(judged.of_address, judged.entries[0])}; otherwise the name may lead to "
            "the wrong machine.",
        )
    if judged.verdict == "changed":
        return HostKeyChanged(
            name,
            f"{called} shows the host key {shown}, which is not the one recorded for it: "
            f"{_recorded(judged.entries, key)}",
            hint=f"If the node was reinstalled, {_forgetting(_called(login), judged.entries[0])}; "
            "otherwise somebody may be listening in.",
        )
    commands = [one for one in login.config.ignored if one.startswith("KnownHostsCommand")]
    unused = f"; {commands[0]} is not run" if commands else ""
    refused = f", and its certificate does not count: {judged.why_not}" if judged.why_not else ""
    ours = f"record it with: fleetctl trust {login.node}, or " if login.node else ""
    return HostKeyUnknown(
        name,
        f"the host key of {called} ({shown}) is not in {known.where}{refused}{unused}",
        hint="Compare it with the node's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub) "
        f"and {ours}{_accepting(login)}",
    )


def _recorded(entries: Sequence[Entry], shown: asyncssh.SSHKey) -> str:
    """The recorded keys, those of the same type if there are any."""
    kind = shown.algorithm.decode()
    same = [entry for entry in entries if entry.algorithm == kind] or entries
    return ", ".join(f"{entry.fingerprint} in {entry.where}" for entry in same[:_RECORDED_TOLD])


def _called(login: Login) -> str:
    """The name in known_hosts."""
    options = login.options
    if options.host_key_alias or options.port == 22:
        return options.host_key_alias or options.host
    return f"[{options.host}]:{options.port}"


def _forgetting(recorded_as: str, entry: Entry) -> str:
    """How the keys of a name in known_hosts are forgotten."""
    if any(c in entry.hosts for c in "*?!"):  # ssh-keygen leaves patterns alone
        return f"correct {entry.where}"
    file = "" if entry.file == _DEFAULT_FILE else f" -f {path_word(entry.file)}"
    return f"forget the old key with ssh-keygen -R {quote(recorded_as)}{file}"


def _accepting(login: Login) -> str:
    """How to record a host key where fleetctl looks for it.

    Plain ssh may ask nothing (``StrictHostKeyChecking no``), keep nothing (``UserKnownHostsFile
    /dev/null``), or keep it in another file than nodes.yaml names.
    """
    options = ""
    if login.config.strict not in ("ask", "accept-new"):
        options += "-o StrictHostKeyChecking=ask "
    file = login.host_keys.known.where if login.host_keys.known.keeps else _DEFAULT_FILE
    of_ssh = login.config.known_hosts
    if (_DEFAULT_FILE if of_ssh is None else " ".join(of_ssh[:1])) != file:
        options += f"-o UserKnownHostsFile={path_word(file)} "
    accept = f"accept it once with: ssh {options}{login.target}"
    if login.host_keys.known.keeps:
        return accept
    return (
        f"{accept}; then set ssh.known_hosts: {file} in nodes.yaml, since ~/.ssh/config keeps no "
        "host keys for it"
    )
