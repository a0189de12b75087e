"""``CheckHostIP yes``: what is recorded for an address has the say that ``ssh`` gives it, case by
case. ssh never asks for an address of the loopback, so these tests have a network of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleetctl.errors import HostKeyChanged, LinkError
from tests.link.own_space import in_own_space, needs_root, put_in_place_of, run
from tests.link.test_known_hosts import Host, certify, fleetctl_says, hashed, ssh_accepts
from tests.openssh import Server, make_key, open_folder, public_key

ADDRESS = "10.99.0.1"
YES = {"CheckHostIP": "yes"}

# name of the case: (known_hosts, HostKeyAlias, further directives)
CASES: dict[str, tuple[str, str, dict[str, str]]] = {
    "its address is not recorded": ("{at} {key}", "", YES),
    "its address with its key": ("{at} {key}\n{ip} {key}", "", YES),
    "its address with another key": ("{at} {key}\n{ip} {other}", "", YES),
    "the same, not asked for": ("{at} {key}\n{ip} {other}", "", {}),
    "the same, hashed": ("{at} {key}\n{ip_hashed} {other}", "", YES),
    "the same by a pattern": ("{at} {key}\n[10.99.*]:* {other}", "", YES),
    "both keys for its address": ("{at} {key}\n{ip} {other}\n{ip} {key}", "", YES),
    "its address with a key of another type": ("{at} {key}\n{ip} {rsa}", "", YES),
    "another key of its address without the port": ("{at} {key}\n10.99.0.1 {other}", "", YES),
    "both without the port": ("localhost {key}\n10.99.0.1 {other}", "", YES),
    "its name without the port, its address with": ("localhost {key}\n{ip} {other}", "", YES),
    "revoked for its address": ("{at} {key}\n@revoked {ip} {key}", "", YES),
    "only its address": ("{ip} {key}", "", YES),
    "its name with another key": ("{at} {other}\n{ip} {key}", "", YES),
    "an alias, and its address with another key": ("pi {key}\n{ip} {other}", "pi", YES),
    "an authority, and its address with another key": (
        "@cert-authority {at} {authority}\n{ip} {other}", "", YES,
    ),
    "its key, another authority and address": (
        "@cert-authority {at} {other}\n{at} {key}\n{ip} {other}", "", YES,
    ),
    "a strict reader": ("{at} {key}\n{ip} {other}", "", {**YES, "StrictHostKeyChecking": "yes"}),
}  # fmt: skip


@needs_root
def test_addresses(tmp_path: Path, client_home: Path) -> None:
    in_own_space(lambda: compare_all(tmp_path, client_home))


def compare_all(folder: Path, home: Path) -> None:
    run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
    put_in_place_of("/etc/hosts", f"{ADDRESS} localhost\n", folder)
    said: dict[str, LinkError | None] = {}
    for certified in (False, True):
        with serving(certified=certified) as host:
            for case in CASES:
                if ("authority" in case) == certified:
                    said[case] = compare(host, case, folder, home)
    error = said["its address with another key"]
    assert isinstance(error, HostKeyChanged)
    assert "not the one recorded for its address (CheckHostIP yes): SHA256:" in error.reason
    assert f"ssh-keygen -R '[{ADDRESS}]:" in error.hint
    assert len([one for one in said.values() if one]) in range(5, len(CASES) - 5)


@contextmanager
def serving(*, certified: bool) -> Iterator[Host]:
    with open_folder() as place:
        server = Server(place / "server")
        server.extra = f"ListenAddress {ADDRESS}\n"
        files = {"key": server.host_key, "rsa": make_key(place / "rsa", kind="rsa")}
        files |= {name: make_key(place / name) for name in ("authority", "other")}
        if certified:
            certificate = certify(server.host_key, files["authority"], "-n", "localhost")
            server.extra += f"HostCertificate {certificate}\n"
        server.start()
        try:
            yield Host(server, {name: public_key(path) for name, path in files.items()})
        finally:
            server.stop()


def compare(host: Host, case: str, folder: Path, home: Path) -> LinkError | None:
    template, alias, more = CASES[case]
    ip = f"[{ADDRESS}]:{host.server.port}"
    template = template.replace("{ip}", ip).replace("{ip_hashed}", hashed(ip))
    known = folder / "known"
    known.write_text(host.text(template) + "\n")
    known.chmod(0o400)
    error = fleetctl_says(host, [known], alias, home, more)
    before = known.read_text()
    accepted = ssh_accepts(host, [known], alias, more)
    known.write_text(before)
    assert (error is None) == accepted, (case, error)
    return error
