"""The values read from a valid nodes.yaml."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from fleetctl.config import load_text
from fleetctl.config.expansion import expand
from fleetctl.model.history_limits import HistoryLimits
from fleetctl.model.jobs import Instance, Listen, Restart, Stop
from fleetctl.model.liveness import Liveness
from fleetctl.model.pages import pages
from fleetctl.model.ready import Ready
from fleetctl.model.topology import SSH, Fleet, Network, Node
from tests.config.texts import RIGHT, edited


def fleet(text: str) -> Fleet:
    return load_text(text, "/etc/lab/nodes.yaml")


def changed(old: str, new: str) -> Fleet:
    return fleet(edited((old, "§" + new))[0])


def service(body: str, node: str = "n: {}") -> Instance:
    """The instance of a service with ``body``, in a fleet of one node."""
    text = f"fleet: f\nnodes: {{{node}}}\njobs:\n  j:\n    services:\n      s:\n        on: n\n"
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return fleet(text + lines).jobs["j"].services["s"].instances[0]


def test_web_pages_and_that_they_renew_nothing() -> None:
    texts = ("", "web: 8787", "web: [8787, 80]")
    plain, one, two = (service(f"command: serve\n{text}") for text in texts)
    assert (plain.web, one.web, two.web) == ((), (8787,), (8787, 80))
    assert plain.definition_hash == two.definition_hash
    assert [page.name for page in pages([one, two])] == ["s@n", "s@n:8787", "s@n:80"]


def test_several_hosts_and_the_second_way() -> None:
    text = "fleet: f\ndefaults: {ssh: {second_way: false}}\nnodes:\n"
    lab = fleet(
        f"{text}  a: {{ssh: {{host: [a.local, 10.0.0.1, a.local], second_way: true}}}}\n  b: {{}}\n"
    )
    assert lab.nodes["a"].ssh == SSH("a.local", other_hosts=("10.0.0.1",))
    assert lab.nodes["b"].ssh == SSH("b", second_way=False)


def test_everything_in_the_text() -> None:
    lab = fleet(RIGHT)
    assert lab.name == "lab"
    assert lab.internet == IPv4Address("8.8.8.8")
    assert lab.networks == {
        "wifi": Network("wifi", IPv4Network("192.168.1.0/24"), "wifi", control=True),
        "fabric": Network("fabric", IPv4Network("10.10.0.0/24")),
        "edge": Network("edge", IPv4Network("192.168.50.0/24")),
    }
    assert lab.nodes["mini1"] == Node(
        "mini1",
        SSH("192.168.1.11", port=22, user="me", connect_timeout_s=5.0),
        os="macos",
        addresses={
            "wifi": IPv4Address("192.168.1.11"),
            "fabric": IPv4Address("10.10.0.1"),
            "edge": IPv4Address("192.168.50.1"),
        },
        gateway=True,
    )
    assert lab.nodes["pi5"] == Node(
        "pi5",
        SSH("pi5", user="me", connect_timeout_s=5.0),
        addresses={"edge": IPv4Address("192.168.50.2")},
        via={"fabric": "mini1"},
        workdir="~/work",
    )
    assert lab.nodes["ipad"].connection == "none"
    (job,) = lab.jobs.values()
    assert [i.name for i in job.instances] == [
        "server@mini1",
        "worker@mini2",
        "worker@pi5",
        "screen@ipad",
    ]
    assert job.services["worker"].instances[1] == Instance(
        job="train",
        service="worker",
        node="pi5",
        rank=2,
        world_size=2,
        command="work 2 10.10.0.1",
        workdir="~/work",
        listen=None,
        ready=Ready("alive"),
        after=("server",),
        env={"LEVEL": "debug"},
        env_file=None,
        restart=Restart("on-failure", 3.0, 60, 60.0, 60.0),
        stop=Stop("INT", 10.0),
    )
    server = job.services["server"].instances[0]
    assert server.listen == Listen(IPv4Address("10.10.0.1"), 65432, "fabric")
    assert server.ready == Ready("listening", timeout_s=60.0)
    assert server.workdir is None


def test_ports_and_bind() -> None:
    more = "ready: {listening: true, timeout: 60}"
    lab = changed(
        more, f"{more}\n        ports: {{ui: 8787, api: '127.0.0.1:80'}}\n        bind: any"
    )
    [server] = lab.jobs["train"].services["server"].instances
    assert server.ports == {
        "ui": Listen(IPv4Address("10.10.0.1"), 8787, "fabric"),
        "api": Listen(IPv4Address("127.0.0.1"), 80),
    }
    assert server.bind_any
    assert list(map(str, server.bindings)) == ["10.10.0.1:65432", "10.10.0.1:8787", "127.0.0.1:80"]


def test_the_smallest_fleet() -> None:
    least = fleet("fleet: f\nnodes:\n  pi4:\n  pi5:\n")
    assert list(least.nodes) == ["pi4", "pi5"]
    assert least.nodes["pi4"].ssh == SSH("pi4")
    assert least.jobs == {}
    assert least.networks == {}
    assert least.internet == IPv4Address("8.8.8.8")


def test_mappings_with_all_entries_commented_out_are_empty() -> None:
    one = service("command: x\nenv:\n  # A: 1\nready:\nafter:\nrestart:\nstop:\n")
    assert (one.env, one.ready, one.after) == ({}, Ready("alive"), ())
    assert (one.restart, one.stop) == (Restart(), Stop())


def test_how_much_of_the_past_is_kept() -> None:
    assert changed("internet:", "internet:").history == HistoryLimits(365, 200)
    some = changed("internet:", "history: {mb: 5}\ninternet:")
    assert some.history == HistoryLimits(365, 5)
    assert changed("internet:", "history:\ninternet:").history == HistoryLimits()


def test_null_turns_the_internet_check_off() -> None:
    assert changed("internet: 8.8.8.8", "internet: null").internet is None


def test_interfaces_of_a_node() -> None:
    own = "addresses: {fabric: 10.10.0.2}"
    lab = changed(own, f"{own}\n    interfaces: {{fabric: bridge0}}")
    assert lab.nodes["mini2"].interfaces == {"fabric": "bridge0"}
    assert lab.nodes["mini1"].interfaces == {}
    assert expand(lab)["nodes"]["mini2"]["interfaces"] == {"fabric": "bridge0"}


def test_values_of_a_node_override_defaults() -> None:
    text, _ = edited(
        ("  ssh: {user: me, connect_timeout: 5}", "  ssh: {user: me, port: 2222}\n  os: §linux"),
        ("    addresses: {fabric: 10.10.0.2}", "    ssh: {user: you}\n    workdir: /srv"),
    )
    lab = fleet(text.replace("[mini2, pi5]", "pi5"))
    assert lab.nodes["mini2"].ssh == SSH("mini2", port=2222, user="you")
    assert (lab.nodes["mini2"].os, lab.nodes["mini1"].os) == ("linux", "macos")
    assert lab.nodes["mini1"].ssh.port == 22


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1", "1"),
        ("1.50", "1.50"),
        ("0o17", "0o17"),
        ("012", "012"),
        ("12:30:45", "12:30:45"),
        ("2026-01-31", "2026-01-31"),
        ("true", "true"),
        ("1_000", "1_000"),
        ("''", ""),
        ("'null'", "null"),
        ("!!str 5", "5"),
        ('"a\\nb"', "a\nb"),
        ("'$(rm -rf /) `x` \"é\" ''q'''", "$(rm -rf /) `x` \"é\" 'q'"),
    ],
)
def test_env_values_are_the_text_as_written(written: str, read: str) -> None:
    assert service(f"command: x\nenv: {{V: {written}}}").env == {"V": read}


def test_words_that_old_yaml_takes_for_booleans_can_be_names() -> None:
    text = "fleet: no\nnodes: {on: , yes: , 1: }\n"
    text += "jobs: {off: {services: {n: {on: [on, yes, 1], command: x}}}}"
    lab = fleet(text)
    assert list(lab.nodes) == ["on", "yes", "1"]
    assert [i.name for i in lab.jobs["off"].instances] == ["n@on", "n@yes", "n@1"]


@pytest.mark.parametrize("word", ["true", "yes", "on", "True", "ON"])
def test_words_for_true(word: str) -> None:
    assert changed("gateway: true", f"gateway: {word}").nodes["mini1"].gateway


def test_numbers_may_have_fractions_and_exponents() -> None:
    one = service("command: x\nready: {delay: 0.25, timeout: 1e2, interval: 2.}")
    assert one.ready == Ready("delay", "0.25", timeout_s=100.0, interval_s=2.0)


def test_anchors_and_merge_keys() -> None:
    text = """\
fleet: f
nodes:
  a: &pi {ssh: &login {user: pi, port: 22}, workdir: /one}
  b: {<<: *pi, workdir: /two}
  c: {ssh: {<<: [*login, {port: 2, identity_file: key}], user: me}}
"""
    lab = fleet(text)
    assert lab.nodes["b"].ssh == SSH("b", port=22, user="pi")
    assert (lab.nodes["a"].workdir, lab.nodes["b"].workdir) == ("/one", "/two")
    assert lab.nodes["c"].ssh == SSH("c", port=22, user="me", identity_file="key")


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake() -> None:
    assert fleet("\ufeff" + RIGHT.replace("\n", "\r\n")) == fleet(RIGHT)


@pytest.mark.parametrize(
    ("of_service", "of_node", "comes_to"),
    [
        (None, None, None),
        (None, "~/a", "~/a"),
        ("b c", None, "b c"),
        ("b/c", "~/a", "~/a/b/c"),
        ("~/b", "~/a", "~/b"),
        ("~", "~/a", "~"),
        ("/b", "~/a", "/b"),
        ("{node}", "/a", "/a/n"),
    ],
)
def test_workdir(of_service: str | None, of_node: str | None, comes_to: str | None) -> None:
    node = f"n: {{workdir: {of_node}}}" if of_node else "n: {}"
    body = "command: x" + (f"\nworkdir: '{of_service}'" if of_service else "")
    assert service(body, node).workdir == comes_to


def test_env_file_is_found_from_nodes_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert service("command: x\nenv_file: .env").env_file == "/etc/lab/.env"
    assert service("command: x\nenv_file: ~/.env").env_file == "/home/me/.env"
    assert service("command: x\nenv_file: /run/env").env_file == "/run/env"


def test_env_file_is_absolute_even_if_nodes_yaml_is_named_relative(tmp_path: Path) -> None:
    text = "fleet: f\nnodes: {n: }\njobs: {j: {services: {s: {on: n, command: x, env_file: e}}}}"
    (instance,) = load_text(text, "nodes.yaml").jobs["j"].instances
    assert instance.env_file == str(Path.cwd() / "e")


def test_restart_and_stop() -> None:
    assert service("command: x\nrestart: on-failure").restart == Restart("on-failure")
    assert service("command: x\nrestart: {policy: always, delay: 300}").restart == Restart(
        "always", delay_s=300.0, max_delay_s=300.0
    )
    assert service("command: x\nstop: {signal: SIGQUIT}").stop == Stop("QUIT")


@pytest.mark.parametrize(
    ("ready", "listen", "comes_to"),
    [
        ("", "", Ready("alive")),
        ("{timeout: 5}", "", Ready("alive", timeout_s=5.0)),
        ("", "127.0.0.1:80", Ready("listening")),
        ("{timeout: 5}", "127.0.0.1:80", Ready("listening", timeout_s=5.0)),
        ("{log: '^up \\d{3}$'}", "", Ready("log", r"^up \d{3}$")),
        ("{http: 'http://{node}:8080/x?y=1'}", "", Ready("http", "http://n:8080/x?y=1")),
        ("{http: {url: 'http://{node}:80/'}}", "", Ready("http", "http://n:80/")),
        (
            "{http: {url: 'http://a:80/', body: 'x{2} on {node}'}, interval: 2}",
            "",
            Ready("http", "http://a:80/", interval_s=2.0, body="x{2} on n"),
        ),
        ("{command: 'test -e /run/{node}'}", "", Ready("command", "test -e /run/n")),
        ("{connect: localhost:80}", "127.0.0.1:81", Ready("connect", "localhost:80")),
        ("{delay: 3}", "", Ready("delay", "3")),
    ],
)
def test_ready(ready: str, listen: str, comes_to: Ready) -> None:
    body = "command: x" + (f"\nready: {ready}" if ready else "")
    assert service(body + (f"\nlisten: {listen}" if listen else "")).ready == comes_to


@pytest.mark.parametrize(
    ("liveness", "comes_to"),
    [
        ("{http: 'http://{node}:8080/x?y=1'}", Liveness("http", "http://n:8080/x?y=1")),
        ("{connect: 'localhost:80', interval: 0.5}", Liveness("connect", "localhost:80", 0.5)),
        ("{command: 'pgrep {node}', failures: 1}", Liveness("command", "pgrep n", failures=1)),
        ("{silence: 300, restart: true}", Liveness("silence", "300", restart=True)),
        ("", None),
    ],
)
def test_liveness(liveness: str, comes_to: Liveness | None) -> None:
    assert service(f"command: x\nliveness: {liveness}").liveness == comes_to


def test_two_jobs_may_use_one_port_and_two_services_one_port_of_two_addresses() -> None:
    body = "{on: mini1, command: x, listen: %s}"
    text = (
        RIGHT
        + f"""\
      other: {body % "edge:65432"}
  later:
    services:
      server: {body % "fabric:65432"}
"""
    )
    lab = fleet(text)
    assert str(lab.jobs["train"].services["other"].instances[0].listen) == "192.168.50.1:65432"
    assert lab.jobs["later"].services["server"].instances[0].listen is not None


def test_after_says_what_is_waited_for() -> None:
    def worker(after: str, text: str = RIGHT) -> Instance:
        job = fleet(text.replace("after: [server]", f"after: {after}")).jobs["train"]
        assert job.services["worker"].after == ("server",)
        return job.services["worker"].instances[0]

    assert worker("{server: started}").until == {"server": "started"}
    assert worker("{server: exited-ok}").until == {"server": "exited-ok"}
    assert worker("{server: ready}").until == {}
    served = worker("[server]\n        once: true")
    assert served.once
    assert served.until == {}
    once = ("        command: serve\n", "        command: serve\n        once: true\n")
    lab = changed(*once)
    assert lab.jobs["train"].services["worker"].instances[0].until == {}  # it listens
    assert expand(lab)["jobs"]["train"]["services"]["server"]["instances"]["server@mini1"]["once"]
    text = RIGHT.replace("        listen: fabric:65432\n", "").replace(" {server.host}", "")
    text = text.replace("        ready: {listening: true, timeout: 60}\n", "")
    assert worker("server", text).until == {}
    assert worker("server", text.replace(*once)).until == {"server": "exited-ok"}
    assert worker("{server: ready}", text.replace(*once)).until == {}
    shown = expand(changed("after: [server]", "after: {server: started}"))
    assert shown["jobs"]["train"]["services"]["worker"]["after"] == {"server": "started"}
