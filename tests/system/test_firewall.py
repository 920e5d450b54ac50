"""Real connections from outside and from a guest, through the engine's own firewall."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from engine_world import EngineWorld, wait_for
from origo_plugins.net_iptables.driver import IptablesNetwork
from outside import HERE, THERE, Outside, outside

from origo.contracts import ConnectionSpec, Desired, NetworkSpec
from origo.host.local import LocalHost

pytestmark = [pytest.mark.needs("iptables"), pytest.mark.needs("nginx"), pytest.mark.timeout(300)]

TABLE = ["nft", "list", "table", "inet", "origo_firewall"]
FOREIGN = "table inet somebody {\n chain input {\n type filter hook input priority 10\n tcp dport 7777 drop\n }\n}\n"
SSH, OPENED, CLOSED = 22, 9000, 9001
NETWORK = NetworkSpec(id="lan", bridge="origo200", subnet="10.200.0.0/24", gateway="10.200.0.1", owner="ann", nat=True)
GUEST = ConnectionSpec(
    id="web", type="internal", network="lan", tap="ot200", mac="02:00:0a:c8:00:02", address="10.200.0.2", hostname="web"
)


@pytest.fixture(scope="module")
def there() -> Iterator[Outside]:
    with outside() as made:
        yield made


@pytest.fixture(scope="module")
def listeners() -> Iterator[None]:
    """Programs of this machine that anybody who reaches them can talk to."""
    with contextlib.ExitStack() as stack:
        for port in (SSH, OPENED, CLOSED):
            words = ["socat", f"TCP-LISTEN:{port},fork,reuseaddr", "EXEC:cat"]
            stack.callback(stack.enter_context(subprocess.Popen(words)).kill)
        yield


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, there: Outside, listeners: None) -> Iterator[EngineWorld]:
    folder = tmp_path_factory.mktemp("engine")
    for one in (folder.parent, folder.parent.parent):
        one.chmod(0o711)
    subprocess.run(["nft", "-f", "-"], input=FOREIGN.encode(), check=True)
    made = EngineWorld(
        folder, setup="true", listen="127.0.0.1 0.0.0.0", http_port="80", https_port="443", firewall="true",
        firewall_open=f"{OPENED}/tcp@{THERE}/32 9999/udp",
    )  # fmt: skip
    made.start()
    yield made
    made.close()
    for table in ("somebody", "origo_firewall"):
        subprocess.run(["nft", "delete", "table", "inet", table], check=True)


@pytest.fixture
def guest(engine: EngineWorld) -> Iterator[Callable[..., bool]]:
    """A guest on a network of Origo's: whether it reaches a port of the machine."""
    driver = IptablesNetwork(LocalHost(), {"state": "/run/firewall-test"})
    driver.apply(Desired({"lan": NETWORK}, {"web": GUEST}), frozenset({"lan", "web"}))
    for words in (
        "netns add guest",
        f"link add {GUEST.tap} type veth peer name eth0 netns guest",
        f"-n guest link set eth0 address {GUEST.mac} up",
        f"-n guest address add {GUEST.address}/24 dev eth0",
        f"-n guest route add default via {NETWORK.gateway}",
        f"link set {GUEST.tap} master {NETWORK.bridge} up",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    inside = Outside(("ip", "netns", "exec", "guest"))
    with subprocess.Popen(["socat", f"TCP-LISTEN:53,bind={NETWORK.gateway},fork,reuseaddr", "EXEC:cat"]) as names:
        wait_for(lambda: inside.reaches(53, NETWORK.gateway), 10)
        yield inside.reaches
        names.kill()
    driver.apply(Desired({}, {}), frozenset({"lan", "web"}))
    subprocess.run(["ip", "netns", "delete", "guest"], check=True)


def test_only_ssh_the_pages_and_what_is_opened_are_reached_from_outside(engine: EngineWorld, there: Outside) -> None:
    assert [port for port in (SSH, 80, 443, OPENED, CLOSED) if there.reaches(port)] == [SSH, 80, 443, OPENED]
    assert there.run("busybox", "ping", "-c1", "-W5", HERE).returncode == 0
    subprocess.run(["ip", "-n", "outside", "address", "add", "192.0.2.3/24", "dev", "eth0"], check=True)
    other = there.run("socat", "-u", "OPEN:/dev/null", f"TCP:{HERE}:{OPENED},bind=192.0.2.3,connect-timeout=2")
    assert other.returncode != 0, "it is opened for one network only"


def test_the_machine_itself_reaches_all_of_it_and_the_world(engine: EngineWorld, there: Outside) -> None:
    assert subprocess.run(["socat", "-u", "OPEN:/dev/null", f"TCP:127.0.0.1:{CLOSED}"]).returncode == 0
    with subprocess.Popen([*there.enter, "socat", "TCP-LISTEN:8000,reuseaddr", "EXEC:cat"]) as server:
        time.sleep(0.5)
        said = subprocess.run(
            ["socat", "-t2", "-", f"TCP:{THERE}:8000"], input=b"hello", capture_output=True, timeout=20
        )
        server.wait(timeout=10)
    assert said.stdout == b"hello"


def test_a_guest_reaches_names_and_nothing_else_of_the_machine(guest: Callable[..., bool]) -> None:
    ports = (53, SSH, 80, 443, OPENED, CLOSED)
    assert [port for port in ports if guest(port, NETWORK.gateway)] == [53]
    assert [port for port in ports if guest(port, HERE)] == []


def test_a_connection_goes_on_while_it_is_taken_away_and_made_again(engine: EngineWorld, there: Outside) -> None:
    with subprocess.Popen(
        [*there.enter, "socat", "-", f"TCP:{HERE}:{SSH}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as session:
        assert session.stdin and session.stdout
        session.stdin.write(b"one\n")
        assert session.stdout.readline() == b"one\n"
        before = subprocess.run(TABLE, capture_output=True, check=True).stdout
        subprocess.run(["nft", "delete", "table", "inet", "origo_firewall"], check=True)
        assert there.reaches(CLOSED)
        wait_for(lambda: subprocess.run(TABLE, capture_output=True).stdout == before, 90, engine.said)
        assert not there.reaches(CLOSED)
        session.stdin.write(b"two\n")
        assert session.stdout.readline() == b"two\n"
        session.kill()


def test_it_stays_while_the_daemon_starts_anew_and_touches_nothing_of_others(
    engine: EngineWorld, there: Outside
) -> None:
    engine.end(signal.SIGTERM)
    assert there.reaches(SSH) and not there.reaches(CLOSED)
    engine.start()
    assert there.reaches(443) and not there.reaches(CLOSED)
    assert "7777" in subprocess.run(["nft", "list", "table", "inet", "somebody"], capture_output=True, text=True).stdout
