"""What the firewall opens, as text."""

from pathlib import Path

import pytest

from origo import config
from origo.errors import BadInput
from origo.services.engine import firewall


def test_what_is_opened_stands_as_written_and_from_one_network_only() -> None:
    rules = [one.rule("") for one in firewall.parse("5432/tcp 6000-6010/udp 2049/tcp@192.168.1.0/24 22/tcp@fd00::/8")]
    assert rules == [
        "tcp dport 5432 accept",
        "udp dport 6000-6010 accept",
        "ip saddr 192.168.1.0/24 tcp dport 2049 accept",
        "ip6 saddr fd00::/8 tcp dport 22 accept",
    ]


def test_a_chosen_interface_is_the_only_side_that_is_opened() -> None:
    text = firewall.render([firewall.Opened("tcp", "22")], "eth0")
    assert '        iifname "eth0" tcp dport 22 accept\n' in text
    assert text.startswith("table inet origo_firewall\ndelete table inet origo_firewall\n")


@pytest.mark.parametrize(
    "wrong", ["ssh", "0/tcp", "70000/tcp", "22", "9-8/udp", "22/tcp@300.1.1.1/8", "22/tcp@1.2.3.4/8;"]
)
def test_what_is_no_port_is_refused_with_a_sentence(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="ports such as 5432/tcp"):
        config.load(tmp_path, {"ORIGO_FIREWALL_OPEN": wrong})


def test_a_node_that_may_mount_pools_comes_in_by_any_side_but_only_to_them() -> None:
    text = firewall.render([firewall.Opened("tcp", firewall.NFS, "192.0.2.7", everywhere=True)], "eth0")
    assert "        ip saddr 192.0.2.7 tcp dport 2049 accept\n" in text


SSHD = """\
port 22
addressfamily any
listenaddress 0.0.0.0:2222
listenaddress [::1]:2223
listenaddress [fe80::1%lo]:2224
listenaddress 192.0.2.1:2225 rdomain blue
usepam yes
"""
SOCKET = "Listen=[::]:2022 (Stream)\nListen=192.0.2.1:2023 (Stream)\nListen=/run/ssh.sock (Stream)\nActiveState={}\n"


def test_ssh_is_let_in_wherever_its_server_listens() -> None:
    assert firewall.ssh_ports(SSHD, SOCKET.format("inactive")) == [22, 2222, 2223, 2224, 2225]


def test_ssh_is_let_in_where_systemd_listens_for_it() -> None:
    assert firewall.ssh_ports("port 22\nlistenaddress [::]:22\n", SOCKET.format("active")) == [22, 2022, 2023]
    assert firewall.ssh_ports("", SOCKET.format("active")) == [2022, 2023]


def test_ssh_is_let_in_at_its_own_port_where_nothing_says_another() -> None:
    assert firewall.ssh_ports("", "") == [22]
