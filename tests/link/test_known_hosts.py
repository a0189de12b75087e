"""Host keys are judged as the installed ``ssh`` judges them, file by file, against a real sshd."""

from __future__ import annotations

import base64
import hashlib
import hmac
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from msgspec import Struct

from fleetctl.errors import ConnectFailed, HostKeyChanged, HostKeyUnknown, LinkError
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import SSH, Node
from tests.openssh import Server, bounded, make_key, open_folder, public_key


class Host(Struct, frozen=True):
    """A server with two host keys and a certificate for one of them, and keys of nobody."""

    server: Server
    keys: dict[str, str]
    """By name, as known_hosts has them."""

    def text(self, template: str) -> str:
        """With {at} for the server's name and port, {port}, and keys by name."""
        port = self.server.port
        at = f"[localhost]:{port}"
        return template.format(
            at=at, port=port, hashed=hashed(at), other_hashed=hashed("localhost"), **self.keys
        )


def hashed(name: str) -> str:
    salt = b"0123456789abcdefghij"
    digest = hmac.digest(salt, name.encode(), hashlib.sha1)
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


def certify(key: Path, authority: Path, *options: str) -> Path:
    """A host certificate for ``key``."""
    argv = ["ssh-keygen", "-q", "-s", str(authority), "-I", "host", "-h", *options, f"{key}.pub"]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return key.with_name(f"{key.name}-cert.pub")


@pytest.fixture(scope="module", params=["good", "another name's", "expired"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """The parameter says what its certificate is."""
    with open_folder() as folder:
        rsa = make_key(folder / "rsa", kind="rsa")
        authority, stranger = make_key(folder / "authority"), make_key(folder / "stranger")
        other_rsa = make_key(folder / "other_rsa", kind="rsa")
        server = Server(folder / "server")
        options = {
            "good": ("-n", "localhost,the-alias"),
            "another name's": ("-n", "elsewhere"),
            "expired": ("-n", "localhost", "-V", "20200101:20200102"),
        }[request.param]
        certificate = certify(server.host_key, authority, *options)
        server.extra = f"HostKey {rsa}\nHostCertificate {certificate}\n"
        server.start()
        files = {
            "key": server.host_key, "rsa": rsa, "authority": authority, "other": stranger,
            "other_rsa": other_rsa,
        }  # fmt: skip
        keys = {name: public_key(path) for name, path in files.items()}
        yield Host(server, {**keys, "certificate": certificate.read_text().strip()})
        server.stop()


# name of the case: (known_hosts, further files, HostKeyAlias)
PLAIN: dict[str, tuple[str, Sequence[str], str]] = {
    "its key": ("{at} {key}", (), ""),
    "another key": ("{at} {other}", (), ""),
    "both": ("{at} {other}\n{at} {key}", (), ""),
    "nothing": ("", (), ""),
    "only its address": ("[127.0.0.1]:{port} {key}", (), ""),
    "its address, and another key": ("[127.0.0.1]:{port} {key}\n{at} {other}", (), ""),
    "another key of its address": ("[127.0.0.1]:{port} {other}\n{at} {key}", (), ""),
    "its other key": ("{at} {rsa}", (), ""),
    "its other key is another": ("{at} {other_rsa}", (), ""),
    "one right and one wrong type": ("{at} {other_rsa}\n{at} {key}", (), ""),
    "without the port": ("localhost {key}", (), ""),
    "another without the port": ("localhost {other}", (), ""),
    "another with, its own without the port": ("{at} {other}\nlocalhost {key}", (), ""),
    "its own with, another without the port": ("{at} {key}\nlocalhost {other}", (), ""),
    "another port": ("[localhost]:1 {key}", (), ""),
    "hashed": ("{hashed} {key}", (), ""),
    "another key, hashed": ("{hashed} {other}", (), ""),
    "hashed without the port": ("{other_hashed} {key}", (), ""),
    "torn hash": ("|1|abc {key}\n|1|a|b {key}\n|1|é|b {key}", (), ""),
    "in capitals": ("[LocalHost]:{port} {key}", (), ""),
    "every host": ("* {key}", (), ""),
    "every host, another key": ("* {other}", (), ""),
    "every port": ("[localhost]:* {key}", (), ""),
    "single characters": ("[local????]:{port} {key}", (), ""),
    "too few characters": ("[local???]:{port} {key}", (), ""),
    "in a list": ("elsewhere,{at},there {key}", (), ""),
    "in a list with blanks": ("elsewhere, {at} {key}", (), ""),
    "negated": ("!{at},* {key}", (), ""),
    "negated behind": ("*,!{at} {key}", (), ""),
    "only negated": ("!elsewhere {key}", (), ""),
    "brackets are no set": ("[l]ocalhost,[lx]ocalhost {key}", (), ""),
    "revoked": ("{at} {key}\n@revoked {at} {key}", (), ""),
    "revoked for every host": ("{at} {key}\n@revoked * {key}", (), ""),
    "revoked elsewhere": ("{at} {key}\n@revoked elsewhere {key}", (), ""),
    "another key is revoked": ("{at} {key}\n@revoked * {other}", (), ""),
    "its other key is revoked": ("{at} {key}\n@revoked * {rsa}", (), ""),
    "revoked and not recorded": ("@revoked {at} {key}", (), ""),
    "revoked without the port": ("{at} {key}\n@revoked localhost {key}", (), ""),
    "comment behind": ("{at} {key} root@mini1 made in May", (), ""),
    "blanks before, tabs between": (" \t{at}\t{key}", (), ""),
    "ends of lines as on Windows": ("{at} {other}\r\n{at} {key}\r\n", (), ""),
    "a comment": ("#{at} {key}", (), ""),
    "an unknown marker": ("@what {at} {key}", (), ""),
    "no key": ("{at}\n{at} ssh-ed25519\n{at} ssh-ed25519 !!!!\n{at} ssh-ed25519 AAAA", (), ""),
    "a key of another type than it says": ("{at} ssh-rsa {key}", (), ""),
    "no bytes of a key": ("{at} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", (), ""),
    "in the second file": ("elsewhere {other}", ("{at} {key}",), ""),
    "another in the first file": ("{at} {other}", ("{at} {key}",), ""),
    "revoked in the second file": ("{at} {key}", ("@revoked {at} {key}",), ""),
    "the alias": ("the-alias {key}", (), "the-alias"),
    "the alias in capitals": ("the-alias {key}", (), "The-Alias"),
    "another key of the alias": ("the-alias {other}\n{at} {key}", (), "the-alias"),
    "not the alias": ("{at} {key}", (), "the-alias"),
    "the alias with the port": ("[the-alias]:{port} {key}", (), "the-alias"),
}
CERTIFIED: dict[str, tuple[str, Sequence[str], str]] = {
    "its authority": ("@cert-authority {at} {authority}", (), ""),
    "its authority without the port": ("@cert-authority localhost {authority}", (), ""),
    "its authority for every host": ("@cert-authority * {authority}", (), ""),
    "another authority": ("@cert-authority {at} {other}", (), ""),
    "an authority of others": ("@cert-authority elsewhere {authority}", (), ""),
    "its authority, revoked": (
        "@cert-authority {at} {authority}\n@revoked * {authority}", (), ""
    ),
    "its authority, and its key revoked": (
        "@cert-authority {at} {authority}\n@revoked * {key}", (), ""
    ),
    "its authority, and its key": ("@cert-authority {at} {authority}\n{at} {key}", (), ""),
    "its authority, and another key": ("@cert-authority {at} {authority}\n{at} {other}", (), ""),
    "another authority, and its key": ("@cert-authority {at} {other}\n{at} {key}", (), ""),
    "its authority, and its other key": ("@cert-authority {at} {authority}\n{at} {rsa}", (), ""),
    "its key as an authority": ("@cert-authority {at} {key}", (), ""),
    "its authority as a key": ("{at} {authority}", (), ""),
    "its authority for the alias": ("@cert-authority the-alias {authority}", (), "the-alias"),
}  # fmt: skip


# name of the case: (the file of RevokedHostKeys, known_hosts)
REVOKED = {
    "nothing": ("", "{at} {key}"),
    "another key": ("{other}", "{at} {key}"),
    "its key": ("# lost\n\n{other}\n \t{key} of mini1\n", "{at} {key}"),
    "its other key": ("{rsa}", "{at} {key}"),
    "its authority": ("{authority}", "@cert-authority {at} {authority}"),
    "another authority": ("{other}", "@cert-authority {at} {authority}"),
    "its certified key": ("{key}", "@cert-authority {at} {authority}"),
    "its certificate": ("{certificate}", "{at} {key}"),
    "a host before the key": ("localhost {other}", "{at} {key}"),
    "a torn line": ("{other}\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==\n", "{at} {key}"),
    "an unknown type": ("ssh-new AAAAB3NzaC1uZXc=", "{at} {key}"),
    "another type than it says": ("ssh-rsa {other}", "{at} {key}"),
    "ends of lines as on Windows": ("{other}\r\n{key}\r\n", "{at} {key}"),
}


def ssh_accepts(
    host: Host, files: Sequence[Path], alias: str, more: Mapping[str, str] | None = None
) -> bool:
    names = " ".join(str(file) for file in files)
    options = {
        "BatchMode": "yes",
        "UserKnownHostsFile": names,
        "GlobalKnownHostsFile": "none",
        "IdentityFile": str(host.server.key),
        "IdentitiesOnly": "yes",
        "ControlPath": "none",
        "UpdateHostKeys": "no",
        **(more or {}),
    }
    if alias:
        options["HostKeyAlias"] = alias
    argv = ["ssh", "-F", "none", "-4", "-p", str(host.server.port)]
    argv += [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    done = subprocess.run(
        [*argv, f"{host.server.user}@localhost", "true"],
        capture_output=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0 or b"Host key verification failed" in done.stderr, done.stderr
    return done.returncode == 0


def fleetctl_says(
    host: Host,
    files: Sequence[Path],
    alias: str,
    home: Path,
    more: Mapping[str, str] | None = None,
) -> LinkError | None:
    """The error; None: it is accepted."""
    names = " ".join(str(file) for file in files)
    config = f"UserKnownHostsFile {names}\nGlobalKnownHostsFile none\nAddressFamily inet\n"
    config += f"HostKeyAlias {alias}\n" if alias else ""
    config += "".join(f"{key} {value}\n" for key, value in (more or {}).items())
    (home / ".ssh" / "config").write_text(config)
    node = Node("pi4", SSH("localhost", port=host.server.port, user=host.server.user,
                           identity_file=str(host.server.key)))  # fmt: skip

    async def body() -> LinkError | None:
        try:
            link = await Connector({}).connect(node)
        except (HostKeyChanged, HostKeyUnknown) as error:
            return error
        except ConnectFailed as error:
            assert "no host key can be trusted" in error.reason
            return error
        await link.close()
        return None

    return bounded(body())


def compare(
    host: Host, case: tuple[str, Sequence[str], str], folder: Path, home: Path
) -> LinkError | None:
    first, further, alias = case
    files = []
    for number, template in enumerate((first, *further)):
        files.append(folder / str(number))
        files[-1].write_bytes(host.text(template + "\n").encode())
    error = fleetctl_says(host, files, alias, home)
    assert (error is None) == ssh_accepts(host, files, alias), error
    return error


@pytest.mark.parametrize("case", PLAIN)
@pytest.mark.parametrize("host", ["good"], indirect=True)
def test_keys(host: Host, case: str, tmp_path: Path, client_home: Path) -> None:
    compare(host, PLAIN[case], tmp_path, client_home)


@pytest.mark.parametrize("case", CERTIFIED)
def test_certificates(host: Host, case: str, tmp_path: Path, client_home: Path) -> None:
    compare(host, CERTIFIED[case], tmp_path, client_home)


@pytest.mark.parametrize("case", REVOKED)
@pytest.mark.parametrize("host", ["good"], indirect=True)
def test_revoked_keys(host: Host, case: str, tmp_path: Path, client_home: Path) -> None:
    revoked, known = tmp_path / "revoked", tmp_path / "known"
    revoked.write_bytes(host.text(REVOKED[case][0]).encode())
    known.write_text(host.text(REVOKED[case][1]) + "\n")
    more = {"RevokedHostKeys": str(revoked)}
    error = fleetctl_says(host, [known], "", client_home, more)
    assert (error is None) == ssh_accepts(host, [known], "", more), error
    if case == "its key":
        assert error
        assert f"which line 4 of {revoked} revokes" in error.reason


@pytest.mark.parametrize("what", ["a list in binary", "missing", "a folder", "without end"])
@pytest.mark.parametrize("host", ["good"], indirect=True)
def test_without_the_revoked_keys_no_key_counts(
    host: Host, what: str, tmp_path: Path, client_home: Path
) -> None:
    """ssh reads a KRL, and refuses the key that it revokes."""
    revoked, known = tmp_path / "revoked", tmp_path / "known"
    known.write_text(host.text("{at} {key}\n"))
    match what:
        case "a list in binary":
            argv = ["ssh-keygen", "-q", "-k", "-f", str(revoked), f"{host.server.host_key}.pub"]
            subprocess.run(argv, check=True, timeout=10)
        case "a folder":
            revoked.mkdir()
        case "without end":
            revoked = Path("/dev/zero")
    more = {"RevokedHostKeys": str(revoked)}
    error = fleetctl_says(host, [known], "", client_home, more)
    assert error
    assert f"RevokedHostKeys {revoked} of the SSH configuration cannot be used" in error.reason
    if what != "without end":
        assert not ssh_accepts(host, [known], "", more)
