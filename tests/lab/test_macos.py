"""Commands of the lab's Macs print and change the kernel's state as on a real Mac."""

from __future__ import annotations

import json
import plistlib
import re
import subprocess
import time
from collections.abc import Iterator

import pytest

from fleetctl.lab import Lab
from fleetctl.lab.building import disk_of
from fleetctl.lab.namespaces import network_of
from tests.conftest import MakeLab
from tests.lab.fleets import MACS
from tests.lab.observe import answers, eventually, ssh
from tests.lab.test_faults import NETWORK_FAULTS, lost

pytestmark = pytest.mark.lab

LOGINS = {"mini1": "one@192.168.1.11", "mini2": "two@mini2", "pi5": "pi@192.168.1.25"}
FAULTS_BESIDE_MACS = [
    fault if fault[1].startswith("mini") else pytest.param(*fault, marks=pytest.mark.long)
    for fault in NETWORK_FAULTS
]
"""Those of the Linux machine beside them are tried without Macs, too, by test_faults.py."""


@pytest.fixture(scope="module")
def built(make_lab: MakeLab) -> Lab:
    return make_lab(MACS)


@pytest.fixture
def lab(built: Lab) -> Iterator[Lab]:
    yield built
    built.heal()


def on(lab: Lab, node: str, command: str) -> subprocess.CompletedProcess[bytes]:
    """A command over real SSH, as the account of the node."""
    return ssh(lab, LOGINS[node], command)


def out(lab: Lab, node: str, command: str) -> str:
    done = on(lab, node, command)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def outside(lab: Lab, node: str, *argv: str) -> str:
    """The output of the real `ip` for a node, run from outside."""
    with network_of(lab.state.processes[node]):
        return subprocess.check_output(["ip", *argv], text=True)


class TestSurroundings:
    def test_login_shell_home_and_paths(self, lab: Lab) -> None:
        show = "echo $0 $SHELL $HOME $PATH; command -v tmux || zsh -lc 'command -v tmux'; ls -A ~"
        shell, tmux, *home = out(lab, "mini1", show).splitlines()
        assert shell == "zsh /bin/zsh /Users/one /usr/bin:/bin:/usr/sbin:/sbin"
        assert tmux == "/opt/homebrew/bin/tmux"
        assert "Desktop" in home

    def test_what_only_linux_has_is_not_there(self, lab: Lab) -> None:
        names = (
            "ip ss timeout setsid nproc free systemctl journalctl loginctl md5sum sha256sum apt "
            "apt-get dpkg iw nmcli vcgencmd bridge tc nft iptables flock taskset tac numfmt lsblk "
            "findmnt unshare nsenter pidof watch tmux ionice chrt hostnamectl realpath"
        )
        assert out(lab, "mini1", f"for n in {names}; do command -v $n; done; true") == ""
        absent = "/proc /sys /etc/os-release /etc/debian_version /usr/local/bin/* /home /root"
        done = on(lab, "mini1", f"setopt null_glob; ls -d {absent}")
        assert done.stdout == b""
        assert out(lab, "pi5", "command -v ip ss timeout nmcli vcgencmd").count("\n") == 5

    def test_options_that_only_gnu_has_fail(self, lab: Lab) -> None:
        for command in (
            "date -d @0",
            "sed --version",
            "sed -z p /etc/hosts",
            "grep -P x /etc/hosts",
            "base64 -w0 /etc/hosts",
            "stat -c %s /etc/hosts",
            "df --output=avail /",
            "ps --forest",
            "wc --lines /etc/hosts",
            "ping -w 1 127.0.0.1",
        ):
            assert on(lab, "mini1", command).returncode != 0, command

    def test_small_tools_in_their_bsd_form(self, lab: Lab) -> None:
        assert out(lab, "mini1", "date -u -r 1700000000 '+%s %Y %N'") == "1700000000 2023 N\n"
        assert out(lab, "mini1", "date -ju -f %Y-%m-%d 2023-11-14 +%m") == "11\n"
        assert out(lab, "mini1", "printf 'a\\nb\\n' | wc -l") == "       2\n"
        assert out(lab, "mini1", "echo aab | sed -E 's/(a)+/x/'") == "xb\n"
        assert out(lab, "mini1", "echo 'a|b' | fgrep -c 'a|b'; echo b | egrep -c 'a|b'") == "1\n1\n"
        assert out(lab, "mini1", "echo a+ | sed 's/a\\+/x/'") == "x\n"  # no GNU extension
        assert out(lab, "mini1", "echo x >f; sed -i '' s/x/y/ f; cat f; stat -f %z f") == "y\n2\n"
        assert out(lab, "mini1", "echo hello | base64 | base64 -D") == "hello\n"
        assert out(lab, "mini1", "uname -sm; sw_vers -productVersion") == "Darwin arm64\n15.5\n"

    def test_disk_free_is_the_disk_of_the_node(self, lab: Lab) -> None:
        header, row = out(lab, "mini1", 'df -Pk "$HOME"').splitlines()
        assert header == ("Filesystem     1024-blocks      Used Available Capacity Mounted on")
        assert row.split()[1] == str(2 * 1024 * 1024)

    def test_python_ssh_and_sudo_work(self, lab: Lab) -> None:
        show = "import json, socket, ssl, subprocess, sys; print(sys.executable)"
        assert out(lab, "mini1", f"python3 -c '{show}'") == "/usr/bin/python3\n"
        assert out(lab, "mini1", "sudo -n id -un") == "root\n"
        copied = lab.run(
            "controller",
            ["sftp", "-i", str(lab.home / ".ssh/cluster"), "-b", "-", LOGINS["mini1"]],
            input=b"get /etc/hosts /tmp/hosts\n",
        )
        assert copied.returncode == 0, copied.stderr

    def test_a_terminal_and_process_substitution(self, lab: Lab) -> None:
        tty = ssh(lab, LOGINS["mini1"], "tty; bash -c 'cat <(echo x)'", "-tt").stdout.decode()
        assert re.match(r"/dev/pts/\d+\r\nx\r\n", tty)

    def test_tmux_of_homebrew(self, lab: Lab) -> None:
        tmux = "/opt/homebrew/bin/tmux -L t"
        out(lab, "mini1", f"{tmux} new -d -s s 'sleep 4646'")
        assert out(lab, "mini1", "pgrep -fx 'sleep 4646'").strip().isdigit()
        out(lab, "mini1", f"{tmux} kill-server")


class TestProcesses:
    def test_ps_in_columns_and_with_environment(self, lab: Lab) -> None:
        python = "python3 -c 'import time\ntime.sleep(4748)'"
        for start in ("sleep 4747", python):
            assert on(lab, "mini1", f"MARK=of-mine {start} >/dev/null 2>&1 &").returncode == 0
        lines = out(lab, "mini1", "ps -Eaxww -o pid=,command=").splitlines()
        shown = next(line for line in lines if "sleep(4748)" in line)
        assert "import time\\012time.sleep(4748) " in shown and " MARK=of-mine" in shown
        # a program of macOS itself
        mine = next(line for line in lines if line.endswith(" sleep 4747"))
        pid = mine.split()[0]
        out(lab, "mini1", "kill $(pgrep -f 'sleep.4748')")
        fields = out(lab, "mini1", f"ps -o pid=,ppid=,pgid=,stat=,comm= -p {pid}").split()
        assert fields[0] == pid
        assert fields[3].startswith("S")
        assert fields[4] == "sleep"
        assert f"\n{pid} " in "\n" + out(lab, "mini1", "ps -axo pid=,stat=").replace("\n ", "\n")
        gone = "pkill -f 'sleep 4747'; sleep 0.1; pgrep -fx 'sleep 4747' || true"
        assert out(lab, "mini1", gone) == ""
        assert on(lab, "mini1", f"ps -p {pid}").returncode == 1

    def test_lsof_sees_only_the_callers_own_sockets(self, lab: Lab) -> None:
        lab.path("mini1", "~/serve.py").write_text(
            "import socket, time; s = socket.create_server(('10.10.0.1', 7070)); time.sleep(60)"
        )
        on(lab, "mini1", "python3 serve.py >/dev/null 2>&1 &")
        ask = "lsof -nP -iTCP -sTCP:LISTEN"
        eventually(lambda: b":7070" in on(lab, "mini1", ask).stdout, "it listens")
        header, row = out(lab, "mini1", ask).splitlines()  # and not sshd, which is root's
        assert header.split() == [
            *("COMMAND", "PID", "USER", "FD", "TYPE", "DEVICE", "SIZE/OFF", "NODE", "NAME")
        ]
        assert row.split()[0] == "python3"
        assert row.endswith("TCP 10.10.0.1:7070 (LISTEN)")
        fields = out(lab, "mini1", f"{ask} -Fpcn").splitlines()
        assert [field[0] for field in fields] == ["p", "c", "f", "n"]
        assert fields[3] == "n10.10.0.1:7070"
        assert "n*:22" in out(lab, "mini1", f"sudo {ask} -Fpcn").splitlines()
        assert on(lab, "mini1", "lsof -nP -iTCP:9 -sTCP:LISTEN").returncode == 1
        sockets = [line.split() for line in out(lab, "mini1", "netstat -an -p tcp").splitlines()]
        assert ["tcp4", "0", "0", "10.10.0.1.7070", "*.*", "LISTEN"] in sockets
        assert out(lab, "mini1", "nc -vz -G 2 10.10.0.1 7070 2>&1") == (
            "Connection to 10.10.0.1 port 7070 [tcp/*] succeeded!\n"
        )
        refused = on(lab, "mini1", "nc -vz -G 2 10.10.0.1 7071")
        assert (refused.returncode, refused.stderr) == (
            1,
            b"nc: connectx to 10.10.0.1 port 7071 (tcp) failed: Connection refused\n",
        )
        on(lab, "mini1", "pkill -f serve.py")


class TestSysctl:
    def test_forwarding_is_the_kernels(self, lab: Lab) -> None:
        name = "net.inet.ip.forwarding"
        assert out(lab, "mini1", f"sysctl {name}; sysctl -n {name}") == f"{name}: 1\n1\n"
        assert answers(lab, "pi5", "10.10.0.2")
        assert out(lab, "mini1", f"sudo sysctl -w {name}=0") == f"{name}: 1 -> 0\n"
        assert not answers(lab, "pi5", "10.10.0.2")
        refused = on(lab, "mini1", f"sysctl -w {name}=1")
        assert refused.returncode == 1
        assert b"Operation not permitted" in refused.stderr
        assert out(lab, "mini1", f"sudo sysctl {name}=1; sysctl -n {name}").endswith("1\n")

    def test_values_and_unknown_names(self, lab: Lab) -> None:
        done = on(lab, "mini1", "sysctl -n hw.ncpu net.ipv4.ip_forward hw.memsize")
        assert done.returncode == 1
        assert len(done.stdout.split()) == 2
        assert done.stderr == b"sysctl: unknown oid 'net.ipv4.ip_forward'\n"
        boot_time = out(lab, "mini1", "sysctl -n kern.boottime")
        boot = re.match(r"\{ sec = (\d+), usec = \d+ \} \w{3} \w{3}", boot_time)
        assert boot and 0 <= time.time() - int(boot[1]) < 300
        load = out(lab, "mini1", "sysctl -n vm.loadavg")
        assert re.fullmatch(r"\{ (\d+\.\d\d ){3}\}\n", load)
        swap = out(lab, "mini1", "sysctl -n vm.swapusage; vm_stat | grep Swap")
        a = r"= \d+\.\d\dM  "
        assert re.fullmatch(
            rf"total {a}used {a}free {a}\(encrypted\)\nSwapins: +\d+\.\nSwapouts: +\d+\.\n", swap
        )


class TestRoutes:
    def test_table(self, lab: Lab) -> None:
        rows = [line.split() for line in out(lab, "mini2", "netstat -rn -f inet").splitlines()]
        assert rows[:4] == [
            ["Routing", "tables"],
            [],
            ["Internet:"],
            ["Destination", "Gateway", "Flags", "Netif", "Expire"],
        ]
        table = {row[0]: row[1:] for row in rows[4:]}
        assert table["default"] == ["192.168.1.1", "UGScg", "en1"]
        assert table["192.168.50"] == ["10.10.0.1", "UGSc", "bridge0"]
        assert table["10.10/24"][0].startswith("link#")
        assert table["10.10.0.2/32"][1:] == ["UCS", "bridge0", "!"]
        assert "Internet6:" in out(lab, "mini2", "netstat -rn")

    def test_route_get(self, lab: Lab) -> None:
        def get(address: str) -> dict[str, str]:
            lines = out(lab, "mini2", f"route -n get {address}").splitlines()
            return {k.strip(): v.strip() for k, _, v in (line.partition(": ") for line in lines)}

        back = get("192.168.50.2")
        assert (back["destination"], back["mask"]) == ("192.168.50.0", "255.255.255.0")
        assert (back["gateway"], back["interface"]) == ("10.10.0.1", "bridge0")
        near = get("10.10.0.1")
        assert "gateway" not in near
        assert "LLINFO" in near["flags"]
        assert get("8.8.8.8")["destination"] == "default"
        assert get("10.10.0.2")["interface"] == "lo0"
        bad = on(lab, "mini2", "route -n get nosuchhost")
        assert (bad.returncode, bad.stderr) == (68, b"route: bad address: nosuchhost\n")

    def test_route_get_without_any_route_exits_0(self, lab: Lab) -> None:
        out(lab, "mini2", "sudo route -n delete default")
        lost = on(lab, "mini2", "route -n get 8.8.8.8")
        assert (lost.returncode, lost.stdout) == (0, b"")
        assert lost.stderr == b"route: writing to routing socket: not in table\n"
        assert out(lab, "mini2", "sudo route -n add default 192.168.1.1") == (
            "add net default: gateway 192.168.1.1\n"
        )
        assert answers(lab, "mini2", "8.8.8.8")

    def test_a_stolen_default_route_is_changed_back(self, lab: Lab) -> None:
        defaults = "netstat -rn -f inet | grep ^default"
        lab.fault("default-route-stolen", "mini1")
        rows = [line.split()[1:4] for line in out(lab, "mini1", defaults).splitlines()]
        assert rows[1:] == [["192.168.1.1", "UGScIg", "en1"]]  # only for packets bound to en1
        assert not answers(lab, "mini1", "8.8.8.8")
        out(lab, "mini1", "sudo route -n change default 192.168.1.1")
        assert answers(lab, "mini1", "8.8.8.8")
        lab.heal()
        assert out(lab, "mini1", defaults).split()[1:4] == ["192.168.1.1", "UGScg", "en1"]

    def test_changes_and_their_misleading_exit_statuses(self, lab: Lab) -> None:
        add = "sudo route -n add -net 10.77.0.0/24 10.10.0.1 2>&1"
        assert out(lab, "mini2", add) == "add net 10.77.0.0: gateway 10.10.0.1\n"
        assert "10.77.0.0/24 via 10.10.0.1 dev bridge0" in outside(lab, "mini2", "route")
        assert out(lab, "mini2", add) == (
            "route: writing to routing socket: File exists\n"
            "add net 10.77.0.0: gateway 10.10.0.1: File exists\n"
        )
        out(lab, "mini2", "sudo route -n change -net 10.77.0.0/24 10.10.0.3")
        assert "10.77.0.0/24 via 10.10.0.3 dev bridge0" in outside(lab, "mini2", "route")
        delete = "sudo route -n delete -net 10.77.0.0/24 2>&1"
        assert out(lab, "mini2", delete) == "delete net 10.77.0.0\n"
        assert out(lab, "mini2", delete) == (
            "route: writing to routing socket: not in table\ndelete net 10.77.0.0: not in table\n"
        )
        assert "Network is unreachable" in out(
            lab, "mini2", "sudo route -n add -net 10.77.0.0/24 9.9.9.9 2>&1"
        )
        assert on(lab, "mini2", "route -n add -host 1.1.1.1 10.10.0.1").returncode == 77


class TestInterfaces:
    def test_ifconfig(self, lab: Lab) -> None:
        text = out(lab, "mini1", "ifconfig bridge0")
        assert text.startswith(
            "bridge0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500\n"
        )
        assert "\tinet 10.10.0.1 netmask 0xffffff00 broadcast 10.10.0.255\n" in text
        assert "\tmember: en2 flags=3<LEARNING,DISCOVER>\n" in text
        assert text.endswith("\tstatus: active\n")
        blocks = re.findall(r"^(\w+): flags", out(lab, "mini1", "ifconfig"), re.M)
        assert {"lo0", "en0", "en1", "en2", "bridge0"} <= set(blocks)
        missing = on(lab, "mini1", "ifconfig bridge9")
        assert missing.returncode == 1
        assert missing.stderr == b"ifconfig: interface bridge9 does not exist\n"

    def test_a_cable_that_is_out_is_inactive_and_still_up(self, lab: Lab) -> None:
        lab.fault("edge-down", "mini1")
        text = out(lab, "mini1", "ifconfig en0")
        assert "<UP," in text
        assert text.endswith("\tstatus: inactive\n")
        lab.heal()
        assert out(lab, "mini1", "ifconfig en0").endswith("\tstatus: active\n")

    def test_changes(self, lab: Lab) -> None:
        out(lab, "mini2", "sudo ifconfig bridge0 alias 10.10.0.99 netmask 255.255.255.0")
        assert answers(lab, "mini1", "10.10.0.99")
        out(lab, "mini2", "sudo ifconfig bridge0 inet 10.10.0.99 netmask 255.255.0.0 alias")
        text = out(lab, "mini2", "ifconfig bridge0")
        assert re.findall(r"inet 10.10.0.99 netmask (\S+)", text) == ["0xffff0000"]
        out(lab, "mini2", "sudo ifconfig bridge0 -alias 10.10.0.99")
        assert "10.10.0.99" not in outside(lab, "mini2", "address")
        out(lab, "mini2", "sudo ifconfig bridge0 down")
        assert not answers(lab, "mini1", "10.10.0.2")
        out(lab, "mini2", "sudo ifconfig bridge0 up")
        eventually(lambda: answers(lab, "mini1", "10.10.0.2"), "it is back")
        assert on(lab, "mini2", "ifconfig bridge0 down").returncode == 1
        lab.fault("power-off", "mini2")  # its routes went down with the interface
        lab.heal()

    def test_arp(self, lab: Lab) -> None:
        assert answers(lab, "mini2", "10.10.0.1")
        link = outside(lab, "mini1", "-o", "link", "show", "bridge0").split()
        mac = link[link.index("link/ether") + 1]
        short = ":".join(f"{int(byte, 16):x}" for byte in mac.split(":"))
        known = out(lab, "mini2", "arp -an")
        assert f"? (10.10.0.1) at {short} on bridge0 ifscope [bridge]\n" in known
        none = on(lab, "mini2", "arp -n 10.10.0.77")
        assert (none.returncode, none.stdout) == (1, b"10.10.0.77 (10.10.0.77) -- no entry\n")
        assert "10.10.0.1 (10.10.0.1) deleted\n" in out(lab, "mini2", "sudo arp -a -d")
        assert on(lab, "mini2", "arp -a -d").returncode == 1

    def test_wifi_is_joined_and_its_name_withheld(self, lab: Lab) -> None:
        assert out(lab, "mini1", "ipconfig getifaddr en1") == "192.168.1.11\n"
        assert on(lab, "mini1", "ipconfig getifaddr en4").returncode == 1
        summary = out(lab, "mini1", "ipconfig getsummary en1")
        assert "  LinkStatusActive : TRUE\n" in summary
        assert "  SSID : <redacted>\n" in summary

    def test_thunderbolt_chain(self, lab: Lab) -> None:
        def ends(node: str) -> tuple[list[str], list[str]]:
            text = lab.run(node, ["system_profiler", "SPThunderboltDataType", "-json"]).stdout
            buses = json.loads(text)["SPThunderboltDataType"]
            own = [bus["domain_uuid_key"] for bus in buses]
            return own, [item["domain_uuid_key"] for bus in buses for item in bus.get("_items", ())]

        known = {node: ends(node) for node in ("mini1", "mini2", "mini3")}
        of = {domain: node for node, (own, _) in known.items() for domain in own}
        chain = {node: sorted(of[peer] for peer in peers) for node, (_, peers) in known.items()}
        assert chain == {"mini1": ["mini2"], "mini2": ["mini1", "mini3"], "mini3": ["mini2"]}
        lab.fault("fabric-down", "mini2")
        assert ends("mini2")[1] == []


class TestPing:
    def test_texts_and_statuses(self, lab: Lab) -> None:
        lines = out(lab, "mini2", "ping -n -c 2 -i 0.2 10.10.0.1").splitlines()
        assert lines[0] == "PING 10.10.0.1 (10.10.0.1): 56 data bytes"
        reply = r"64 bytes from 10.10.0.1: icmp_seq=0 ttl=64 time=\d+\.\d{3} ms"
        assert re.fullmatch(reply, lines[1])
        assert lines[4:6] == [
            "--- 10.10.0.1 ping statistics ---",
            "2 packets transmitted, 2 packets received, 0.0% packet loss",
        ]
        times = r"round-trip min/avg/max/stddev = (\d+\.\d{3}/){3}\d+\.\d{3} ms"
        assert re.fullmatch(times, lines[6])
        silent = on(lab, "mini2", "ping -c 2 -i 0.2 -W 200 10.10.0.77")
        assert silent.returncode == 2
        assert silent.stdout.decode() == (
            "PING 10.10.0.77 (10.10.0.77): 56 data bytes\nRequest timeout for icmp_seq 0\n"
            "\n--- 10.10.0.77 ping statistics ---\n"
            "2 packets transmitted, 0 packets received, 100.0% packet loss\n"
        )
        unknown = on(lab, "mini2", "ping -c 1 nosuch.invalid")
        assert unknown.returncode == 68
        assert unknown.stderr == b"ping: cannot resolve nosuch.invalid: Unknown host\n"

    def test_waits(self, lab: Lab) -> None:
        started = time.monotonic()
        assert on(lab, "mini2", "ping -t 1 -c 50 10.10.0.77").returncode == 2
        assert 0.9 < time.monotonic() - started < 4
        assert on(lab, "mini2", "ping -c1 -i 0.05 10.10.0.1").returncode == 77
        assert on(lab, "mini2", "sudo ping -c2 -i 0.05 10.10.0.1").returncode == 0
        # As on a Mac, -W 1 is a millisecond, and 8 extra bytes beyond the MTU do not pass with -D.
        assert on(lab, "mini2", "ping -c1 -D -s 1473 -W 300 10.10.0.1").returncode == 2
        assert on(lab, "mini2", "ping -c1 -D -s 1472 -W 300 10.10.0.1").returncode == 0

    def test_traceroute_shows_the_gateway(self, lab: Lab) -> None:
        hops = out(lab, "mini2", "traceroute -n -w 1 -q 1 -m 3 192.168.50.2").splitlines()
        assert [hop.split()[:2] for hop in hops] == [["1", "10.10.0.1"], ["2", "192.168.50.2"]]


BRIDGE = '"Thunderbolt Bridge"'


class TestNetworksetup:
    def test_ports_services_and_info(self, lab: Lab) -> None:
        ports = out(lab, "mini1", "networksetup -listallhardwareports")
        assert "Hardware Port: Wi-Fi\nDevice: en1\nEthernet Address: 02:" in ports
        assert "Hardware Port: Thunderbolt Bridge\nDevice: bridge0\n" in ports
        order = out(lab, "mini1", "networksetup -listnetworkserviceorder")
        port = "(Hardware Port: Thunderbolt Bridge, Device: bridge0)"
        assert f"(3) Thunderbolt Bridge\n{port}\n" in order
        assert out(lab, "mini1", "networksetup -listallnetworkservices").splitlines()[1:] == [
            *("Wi-Fi", "Ethernet", "Thunderbolt Bridge")
        ]
        assert out(lab, "mini1", f"networksetup -getinfo {BRIDGE}").startswith(
            "Manual Configuration\nIP address: 10.10.0.1\nSubnet mask: 255.255.255.0\n"
            "Router: (null)\n"
        )
        assert out(lab, "mini1", "networksetup -getinfo Wi-Fi").startswith(
            "DHCP Configuration\nIP address: 192.168.1.11\nSubnet mask: 255.255.255.0\n"
            "Router: 192.168.1.1\n"
        )
        wrong = on(lab, "mini1", "networksetup -getinfo bridge0")
        assert (wrong.returncode, wrong.stderr) == (4, b"")
        assert b"** Error:" in wrong.stdout

    def test_additional_routes_replace_the_whole_list_and_last(self, lab: Lab) -> None:
        get = f"networksetup -getadditionalroutes {BRIDGE}"
        put = f"sudo networksetup -setadditionalroutes {BRIDGE}"
        healthy = "192.168.50.0 255.255.255.0 10.10.0.1"
        assert out(lab, "mini2", get) == f"{healthy}\n"
        out(lab, "mini2", f"{put} 10.88.0.0 255.255.255.0 10.10.0.3")
        assert out(lab, "mini2", get) == "10.88.0.0 255.255.255.0 10.10.0.3\n"
        table = outside(lab, "mini2", "route")
        assert "10.88.0.0/24 via 10.10.0.3 dev bridge0" in table
        assert "192.168.50.0/24" not in table
        lab.fault("power-off", "mini2")
        lab.heal("power-off")
        table = outside(lab, "mini2", "route")
        assert "10.88.0.0/24 via 10.10.0.3 dev bridge0" in table
        assert "192.168.50.0/24" not in table
        out(lab, "mini2", put)
        assert out(lab, "mini2", get) == (
            "There are no additional IPv4 routes on Thunderbolt Bridge.\n"
        )
        out(lab, "mini2", f"{put} {healthy}")
        assert answers(lab, "mini2", "192.168.50.2")
        refused = on(lab, "mini2", put.removeprefix("sudo "))
        assert refused.returncode == 14
        assert refused.stdout == b"** Error: Command requires admin privileges.\n"

    def test_manual_address(self, lab: Lab) -> None:
        out(lab, "mini2", f"sudo networksetup -setmanual {BRIDGE} 10.10.0.22 255.255.255.0")
        assert answers(lab, "mini1", "10.10.0.22")
        assert "192.168.50.0/24 via 10.10.0.1" in outside(lab, "mini2", "route")
        out(lab, "mini2", f"sudo networksetup -setdhcp {BRIDGE}")
        assert "DHCP" in out(lab, "mini2", f"networksetup -getinfo {BRIDGE}")
        out(lab, "mini2", f"sudo networksetup -setmanual {BRIDGE} 10.10.0.2 255.255.255.0")
        assert answers(lab, "mini1", "10.10.0.2")


class TestPersistence:
    def test_a_power_cycle_changes_nothing(self, lab: Lab) -> None:
        def seen() -> list[str]:
            kinds = (["-o", "address"], ["route"])
            state = [outside(lab, "mini1", *argv) for argv in kinds]
            return [*state, out(lab, "mini1", "sysctl net.inet.ip.forwarding; pmset -g")]

        def steady(texts: list[str]) -> list[str]:
            return [re.sub(r"^\d+: |@if\d+", "", text, flags=re.M) for text in texts]

        before = steady(seen())
        lab.fault("power-off", "mini1")
        lab.heal("power-off")
        assert steady(seen()) == before
        assert "net.inet.ip.forwarding: 1\n" in before[2]
        assert re.search(r"^ sleep +0$", before[2], re.M)
        assert "local.fleet.forwarding" in out(lab, "mini1", "launchctl list")

    def test_what_is_only_set_now_is_gone_after_a_boot(self, lab: Lab) -> None:
        out(lab, "mini2", "sudo sysctl -w net.inet.ip.forwarding=1; sudo pmset -a sleep 5")
        lab.fault("power-off", "mini2")
        lab.heal("power-off")
        assert out(lab, "mini2", "sysctl -n net.inet.ip.forwarding") == "0\n"
        assert re.search(r"^ sleep +5$", out(lab, "mini2", "pmset -g"), re.M)
        out(lab, "mini2", "sudo pmset -a sleep 0")
        assert on(lab, "mini2", "pmset -a sleep 0").returncode == 77

    def test_launch_daemons_of_the_user(self, lab: Lab) -> None:
        content = plistlib.dumps(
            {
                "Label": "org.test.mark",
                "ProgramArguments": ["/usr/bin/touch", "/var/mark"],
                "RunAtLoad": True,
            }
        )
        file = "/Library/LaunchDaemons/org.test.mark.plist"
        lab.run("mini2", ["tee", file], user="root", input=content)
        out(lab, "mini2", f"sudo launchctl bootstrap system {file}; ls /var/mark")
        assert "org.test.mark" in out(lab, "mini2", "launchctl list")
        assert on(lab, "mini2", f"sudo launchctl bootstrap system {file}").returncode == 5
        out(lab, "mini2", "sudo rm /var/mark")
        lab.fault("power-off", "mini2")
        lab.heal("power-off")
        assert out(lab, "mini2", "ls /var/mark") == "/var/mark\n"
        out(lab, "mini2", f"sudo launchctl bootout system/org.test.mark; sudo rm {file} /var/mark")
        assert on(lab, "mini2", "launchctl print system/org.test.mark").returncode == 113


class TestFaults:
    @pytest.mark.parametrize(("kind", "node"), FAULTS_BESIDE_MACS, ids=str)
    def test_network_faults_cut_exactly_what_they_say(self, lab: Lab, kind: str, node: str) -> None:
        eventually(lambda: lost(lab) == set(), "all is well before")
        also = {("mini2", "192.168.50.2")} if kind in ("route-missing", "wrong-gateway") else set()
        lab.fault(kind, node)
        assert lost(lab) == NETWORK_FAULTS[kind, node] | also
        lab.heal()
        eventually(lambda: lost(lab) == set(), "all is reached again")

    def test_forwarding_that_does_not_last(self, lab: Lab) -> None:
        lab.fault("forwarding-not-persistent", "mini1")
        assert answers(lab, "pi5", "10.10.0.2")
        lab.fault("power-off", "mini1")
        lab.heal("power-off")
        assert not answers(lab, "pi5", "10.10.0.2")
        lab.heal()
        lab.fault("power-off", "mini1")
        lab.heal("power-off")
        eventually(lambda: answers(lab, "pi5", "10.10.0.2"), "it forwards again")

    def test_sudo_that_asks(self, lab: Lab) -> None:
        for node in ("mini1", "pi5"):
            assert out(lab, node, "sudo -n id -u") == "0\n"
            lab.fault("sudo-password", node)
            done = on(lab, node, "sudo -n id -u")
            assert (done.returncode, done.stderr) == (1, b"sudo: a password is required\n")
        lab.heal()
        assert out(lab, "mini1", "sudo -n id -u") == "0\n"

    def test_sleep(self, lab: Lab) -> None:
        lab.fault("sleep-enabled", "mini2")
        assert re.search(r"^ sleep +1$", out(lab, "mini2", "pmset -g"), re.M)
        lab.heal()
        assert re.search(r"^ sleep +0$", out(lab, "mini2", "pmset -g"), re.M)

    def test_address_missing(self, lab: Lab) -> None:
        lab.fault("address-missing", "mini2")
        assert "inet " not in out(lab, "mini2", "ifconfig bridge0")
        assert "192.168.50" not in out(lab, "mini2", "netstat -rn -f inet")
        lab.fault("return-route-missing", "mini2")
        lab.heal("address-missing")
        assert "10.10.0.2 " in out(lab, "mini2", "ifconfig bridge0")
        lab.heal()
        eventually(lambda: answers(lab, "mini2", "192.168.50.2"), "all is well")

    def test_local_network_denied(self, lab: Lab) -> None:
        lab.path("mini2", "~/try.py").write_text(
            "import socket, sys; socket.create_connection((sys.argv[1], 22), 2); print(1)\n"
        )
        python = "python3 try.py 10.10.0.1"
        tmux = "/opt/homebrew/bin/tmux -L n"

        def inside(command: str) -> str:
            script = f"'{command} >said 2>&1; {tmux} wait -S w'"
            return out(lab, "mini2", f"{tmux} new -d -s x {script}; {tmux} wait w; cat said")

        out(lab, "mini2", f"{tmux} new -d -s keep 'sleep 999'")
        assert inside(python) == "1\n"
        for when in ("a server that runs already", "one that is started under it"):
            lab.fault("local-network-denied", "mini2")
            assert "No route to host" in inside(python), when
            assert out(lab, "mini2", python) == "1\n"
            assert inside("nc -z -G 2 10.10.0.1 22 && echo open") == "open\n"
            assert inside(python.replace("10.10.0.1", "192.168.50.2")) == "1\n"
            again = f"until {tmux} new -d -s keep 'sleep 999'; do sleep 0.05; done"
            out(lab, "mini2", f"{tmux} kill-server; {again} 2>/dev/null")
        lab.heal()
        assert inside(python) == "1\n"
        out(lab, "mini2", f"{tmux} kill-server")

    def test_tmux_missing(self, lab: Lab) -> None:
        lab.fault("tmux-missing", "mini2")
        lab.fault("local-network-denied", "mini2")
        assert on(lab, "mini2", "/opt/homebrew/bin/tmux -V").returncode == 127
        lab.heal("local-network-denied")
        lab.heal("tmux-missing")
        assert out(lab, "mini2", "/opt/homebrew/bin/tmux -V").startswith("tmux ")

    def test_disk_full(self, lab: Lab) -> None:
        lab.fault("disk-full", "mini1")
        assert b"No space left" in on(lab, "mini1", "head -c 9999 /dev/zero >big").stderr
        assert out(lab, "mini1", "df -Pk ~").splitlines()[1].split()[3] == "0"
        lab.heal()
        assert out(lab, "mini1", "head -c 9999 /dev/zero >big; rm big") == ""


def test_files_of_a_mac_that_is_off_can_be_read(lab: Lab) -> None:
    out(lab, "mini2", "echo kept >~/Desktop/kept")
    lab.fault("power-off", "mini2")
    assert (disk_of(lab.state, "mini2") / "fs/Users/two/Desktop/kept").read_text() == "kept\n"
    assert lab.path("mini2", "~/Desktop/kept").read_text() == "kept\n"
    lab.heal()
