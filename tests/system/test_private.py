"""The world of `appliance/private`: nothing of the machine in it, nothing left of it, and the command's own end."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRIVATE = str(ROOT / "appliance" / "private")

pytestmark = [pytest.mark.needs("slirp4netns"), pytest.mark.timeout(60)]


def inside(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PRIVATE, *command], capture_output=True, text=True, timeout=30, check=False, **options)


@pytest.mark.parametrize("status", [0, 7, 125])
def test_the_exit_status_is_the_commands(status: int) -> None:
    assert inside("--", "sh", "-c", f"exit {status}").returncode == status


def test_a_command_ended_by_a_signal_gives_128_and_its_number() -> None:
    assert inside("--", "sh", "-c", "kill -9 $$").returncode == 137


def test_a_command_that_does_not_exist_is_said() -> None:
    ended = inside("--", "no-such-command")
    assert (ended.returncode, "cannot run no-such-command" in ended.stderr) == (127, True)


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == line


CATCHER = (
    "trap 'echo got TERM; exit 33' TERM; trap 'echo got INT; exit 34' INT; echo ready; while :; do sleep 0.1; done"
)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 33), (signal.SIGINT, 34)])
def test_a_signal_reaches_the_command_once(number: signal.Signals, status: int) -> None:
    def hear() -> None:
        signal.signal(number, signal.SIG_DFL)  # a shell that starts tests in the background has them ignore SIGINT

    argv = [PRIVATE, "--", "sh", "-c", CATCHER]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, preexec_fn=hear)
    wait_for_line(process, "ready")
    process.send_signal(number)
    wait_for_line(process, f"got {number.name[3:]}")
    assert process.wait(10) == status


def running(text: str) -> list[str]:
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text in path.read_bytes().decode(errors="replace"):
                found.append(path.parent.name)
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_survives_it_even_when_it_is_killed(number: signal.Signals) -> None:
    mark = f"1000{os.getpid()}"
    script = f"setsid sleep {mark} & echo ready; exec sleep {mark}"
    process = subprocess.Popen([PRIVATE, "--egress", "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    wait_for_line(process, "ready")
    process.send_signal(number)
    process.wait(10)
    deadline = time.monotonic() + 5
    while running(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running(mark) == []


def test_daemons_find_nothing_of_the_machine_and_leave_nothing() -> None:
    folders = ["/run", "/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt", "/dev/shm"]
    for folder in folders:
        (pathlib.Path(folder) / "of-the-machine").touch()
    try:
        listing = inside("--", "sh", "-c", "for f; do ls $f; echo mine >$f/of-the-world; done", "sh", *folders)
        assert listing.returncode == 0
        assert "of-the-machine" not in listing.stdout
        assert [folder for folder in folders if (pathlib.Path(folder) / "of-the-world").exists()] == []
    finally:
        for folder in folders:
            (pathlib.Path(folder) / "of-the-machine").unlink()


def test_the_network_is_its_own_and_only_loopback_is_there() -> None:
    ended = inside("--", "sh", "-c", "ls /sys/class/net; cat /sys/class/net/lo/flags; ip -4 -br address")
    assert ended.stdout.split()[:2] == ["lo", "0x9"]
    assert "127.0.0.1/8" in ended.stdout


def test_forwarding_can_be_switched_on_without_switching_it_on_for_the_machine() -> None:
    setting = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
    before = setting.read_text()
    script = f"echo 1 >{setting}; ip link add b0 type bridge; ip tuntap add t0 mode tap; cat {setting}"
    ended = inside("--", "sh", "-c", script)
    assert (ended.stdout, setting.read_text()) == ("1\n", before)


def test_kept_folders_are_there_again_in_the_next_world(tmp_path: pathlib.Path) -> None:
    inside("--keep", str(tmp_path), "--", "sh", "-c", "mkdir /etc/libvirt/qemu; echo guest >/etc/libvirt/qemu/g.xml")
    again = inside("--keep", str(tmp_path), "--", "cat", "/etc/libvirt/qemu/g.xml")
    assert again.stdout == "guest\n"
    assert not pathlib.Path("/etc/libvirt/qemu/g.xml").exists()


def test_debians_settings_of_libvirt_are_there() -> None:
    ended = inside("--", "cat", "/etc/libvirt/libvirtd.conf")
    assert ended.stdout == pathlib.Path("/etc/libvirt/libvirtd.conf").read_text()


def test_egress_outside_the_guests_range_with_names_and_without_the_machines_loopback() -> None:
    ended = inside("--egress", "--", "sh", "-c", "ip -4 -br address show egress0; cat /etc/resolv.conf; ip route")
    assert "192.168." in ended.stdout
    assert "10." not in ended.stdout.replace("192.168.213.100", "")
    assert "nameserver 192.168.213.3" in ended.stdout


def test_worlds_nest_with_egress() -> None:
    ended = inside("--egress", "--", PRIVATE, "--egress", "--", "sh", "-c", "ip -br link show egress0 && exit 9")
    assert ended.returncode == 9


def test_a_terminal_is_not_needed_and_pseudo_terminals_work() -> None:
    script = "import os, pty; m, s = pty.openpty(); os.write(s, b'x'); print(os.read(m, 1).decode(), os.ttyname(s))"
    ended = inside("--", "/usr/bin/python3", "-c", script, stdin=subprocess.DEVNULL)
    assert ended.stdout.startswith("x /dev/pts/")


def test_the_machines_kvm_is_open_to_the_user_of_guests_inside_only() -> None:
    device = pathlib.Path("/dev/kvm")
    if not device.exists():
        pytest.skip("cannot look at /dev/kvm: this machine has none")
    before = device.stat()
    shown = inside("--", "runuser", "-u", "libvirt-qemu", "--", "test", "-r", "/dev/kvm", "-a", "-w", "/dev/kvm")
    assert shown.returncode == 0, shown.stderr
    after = device.stat()
    assert (after.st_mode, after.st_gid) == (before.st_mode, before.st_gid)


PING = """
import os, socket, struct, sys
ping = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
ping.settimeout(2)
body = struct.pack("!BBHHH", 8, 0, 0xFFFF - (0x0800 + (os.getpid() & 0xFFFF) + 1) % 0xFFFF, os.getpid() & 0xFFFF, 1)
try:
    ping.sendto(body, ("192.168.213.2", 0))
    while True:
        kind = ping.recv(2048)[20]
        if kind != 8:
            sys.exit(0 if kind == 0 else 3)
except OSError:
    sys.exit(4)
"""
GUEST = f"""
set -e
ip netns add guest
ip link add inner type veth peer name outer netns guest
ip address add 10.0.0.1/24 dev inner; ip link set inner up
ip -n guest address add 10.0.0.2/24 dev outer; ip -n guest link set outer up
ip -n guest route add default via 10.0.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward
nft add table ip nat
nft 'add chain ip nat out {{ type nat hook postrouting priority 100; }}'
nft add rule ip nat out oifname egress0 masquerade
cat >/run/ping.py <<'END'
{PING}
END
set +e
/usr/bin/python3 /run/ping.py; echo world $?
ip netns exec guest /usr/bin/python3 /run/ping.py; echo guest $?
"""


def test_egress_is_for_what_the_world_forwards_too() -> None:
    assert inside("--egress", "--", "sh", "-c", GUEST).stdout == "world 0\nguest 0\n"


def test_egress_for_the_world_alone_refuses_its_guests_at_once() -> None:
    assert inside("--egress", "--own-only", "--", "sh", "-c", GUEST).stdout == "world 0\nguest 3\n"
