"""The definitions and answers of libvirt as text: each golden file is a whole definition.

ORIGO_REGENERATE=1 writes them anew.
"""

import os
from dataclasses import replace
from pathlib import Path

import libvirt
import pytest
from lxml import etree
from origo_plugins.hypervisor_kvm import domain_xml, failures, machine, parse

from origo.contracts import DiskSpec, NicSpec, Power, ServerSpec, StateEvent
from origo.errors import Conflict, NoRoom, NotFound, OrigoError, Unavailable, Unsupported
from origo.host import LocalHost

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")
ID = "5f3b1a52-6f1c-4bd6-9d0e-2f9d3f6a1c01"
SYSTEM = DiskSpec("/srv/pool/images/a.qcow2", "qcow2", backing=(("/srv/pool/masters/b.qcow2", "qcow2"),))
DATA = DiskSpec("/srv/pool/images/c.qcow2", "qcow2", serial="origo-data")
SEED = DiskSpec("/srv/pool/images/seed.iso", "raw", read_only=True, serial="origo-seed")
MEDIUM = DiskSpec("/srv/pool/images/install.iso", "raw", removable=True)
DEEP = DiskSpec("/p/top.qcow2", "qcow2", backing=(("/p/middle.qcow2", "qcow2"), ("/p/bottom.raw", "raw")))
NICS = (NicSpec("52:54:00:12:34:56", "o-net1", "o-tap1"), NicSpec("52:54:00:12:34:57", "o-net2", "o-tap2"))

BARE = ServerSpec(ID, "web1", memory_mb=512, cpus=1)
SPECS = {
    "bare": (BARE, False),
    "stack": (replace(BARE, memory_mb=2048, cpus=4, disks=(SYSTEM, DATA, SEED), nics=NICS), True),
    "from-medium": (replace(BARE, disks=(DATA, MEDIUM), boot="cdrom"), True),
    "from-network": (replace(BARE, nics=NICS[:1], boot="network"), False),
    "deep-chain": (replace(BARE, name='<&"> ünï', disks=(DEEP,)), False),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_server_is_defined_like_its_golden_file(name: str) -> None:
    spec, accelerated = SPECS[name]
    text = domain_xml.domain(spec, accelerated=accelerated, machine="pc-q35-7.2")
    path = GOLDEN / f"{name}.xml"
    if os.environ.get("ORIGO_REGENERATE"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("accelerated", [True, False])
def test_another_accelerator_changes_the_kind_and_the_processor_only(accelerated: bool) -> None:
    there = domain_xml.domain(SPECS["stack"][0], accelerated=accelerated, machine="q35")
    other = domain_xml.domain(SPECS["stack"][0], accelerated=not accelerated, machine="q35")
    assert domain_xml.adapted(there, accelerated=accelerated) == ""
    assert canonical(domain_xml.adapted(there, accelerated=not accelerated)) == canonical(other)


def canonical(xml: str) -> str:
    return str(etree.canonicalize(xml, strip_text=True))


@pytest.mark.needs("libvirt")
@pytest.mark.parametrize("name", SPECS)
def test_libvirts_own_schema_takes_each_definition(name: str) -> None:
    schema = etree.RelaxNG(file=str(SCHEMA))
    schema.assertValid(etree.parse(GOLDEN / f"{name}.xml"))


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.xml")} == set(SPECS)


def test_every_chain_of_images_is_closed_and_its_masters_keep_their_owner() -> None:
    root = etree.fromstring(domain_xml.domain(SPECS["deep-chain"][0], accelerated=False, machine="q35").encode())
    chain = root.findall(".//disk//backingStore")
    assert len(chain) == 3 and len(chain[-1]) == 0
    assert [store.find("source/seclabel").get("relabel") for store in chain[:-1]] == ["no", "no"]


@pytest.mark.parametrize(
    "change",
    [
        {"boot": "tape"},
        {"cpus": 256},
        {"disks": (DiskSpec("/a.vmdk", "vmdk"),)},
        {"disks": (DiskSpec("/a", "qcow2", backing=(("/b", "luks"),)),)},
        {"disks": (DATA,) * 27},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_cannot_be_defined_is_refused_with_the_servers_name(change: dict[str, object]) -> None:
    with pytest.raises(Unsupported, match="cannot .* web1"):
        domain_xml.domain(replace(BARE, **change), accelerated=False, machine="q35")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED, Power.RUNNING),
        (libvirt.VIR_DOMAIN_BLOCKED, 0, Power.RUNNING),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER, Power.SUSPENDED),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_UNKNOWN, Power.PAUSED),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR, Power.PAUSED),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP, Power.RUNNING),
        (libvirt.VIR_DOMAIN_SHUTDOWN, 0, Power.STOPPING),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, Power.STOPPED),
        (libvirt.VIR_DOMAIN_CRASHED, 0, Power.CRASHED),
        (libvirt.VIR_DOMAIN_PMSUSPENDED, 0, Power.SUSPENDED),
    ],
)
def test_libvirts_states_have_their_words(state: int, reason: int, expected: Power) -> None:
    assert parse.power(state, reason) is expected


@pytest.mark.parametrize(
    ("event", "detail", "expected"),
    [
        (libvirt.VIR_DOMAIN_EVENT_STARTED, 0, StateEvent(ID, Power.RUNNING)),
        (
            libvirt.VIR_DOMAIN_EVENT_SUSPENDED,
            libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED,
            StateEvent(ID, Power.SUSPENDED),
        ),
        (
            libvirt.VIR_DOMAIN_EVENT_SUSPENDED,
            libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR,
            StateEvent(ID, Power.PAUSED, "disk error"),
        ),
        (
            libvirt.VIR_DOMAIN_EVENT_STOPPED,
            libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN,
            StateEvent(ID, Power.STOPPED, "shutdown"),
        ),
        (
            libvirt.VIR_DOMAIN_EVENT_STOPPED,
            libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED,
            StateEvent(ID, Power.STOPPED),
        ),
        (
            libvirt.VIR_DOMAIN_EVENT_STOPPED,
            libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED,
            StateEvent(ID, Power.STOPPED, "crashed"),
        ),
        (libvirt.VIR_DOMAIN_EVENT_CRASHED, 0, StateEvent(ID, Power.CRASHED, "crashed")),
        (libvirt.VIR_DOMAIN_EVENT_DEFINED, 0, None),
        (libvirt.VIR_DOMAIN_EVENT_UNDEFINED, 0, None),
    ],
)
def test_libvirts_events_have_their_words(event: int, detail: int, expected: StateEvent | None) -> None:
    assert parse.change(ID, event, detail) == expected


def libvirt_error(code: int, text: str) -> libvirt.libvirtError:
    """An error as the library raises it."""
    error = libvirt.libvirtError(text)
    error.err = (code, libvirt.VIR_FROM_QEMU, text, libvirt.VIR_ERR_ERROR, None, None, None, -1, -1)
    return error


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (libvirt.VIR_ERR_NO_DOMAIN, "Domain not found", NotFound),
        (libvirt.VIR_ERR_OPERATION_INVALID, "domain is already running", Conflict),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "cannot set up guest memory 'pc.ram': Cannot allocate memory", NoRoom),
        (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "this QEMU binary does not support it", Unsupported),
        (libvirt.VIR_ERR_OPERATION_TIMEOUT, "cannot acquire state change lock", Unavailable),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "something else", OrigoError),
    ],
)
def test_libvirts_errors_are_sentences_that_name_the_server(code: int, text: str, expected: type[OrigoError]) -> None:
    error = failures.as_error("start server web1", libvirt_error(code, text))
    assert (type(error), error.message) == (expected, f"cannot start server web1: {text}")


def test_usage_adds_up_all_disks_and_cards() -> None:
    values = {
        "cpu.time": 5,
        "balloon.rss": 2,
        "block.count": 2,
        "block.0.rd.bytes": 10,
        "block.1.rd.bytes": 5,
        "block.0.wr.bytes": 1,
        "net.count": 1,
        "net.0.rx.bytes": 7,
        "net.0.tx.bytes": 8,
    }
    found = parse.usage(values)
    assert (found.cpu_ns, found.memory_bytes, found.disk_read_bytes, found.disk_written_bytes) == (5, 2048, 15, 1)
    assert (found.net_received_bytes, found.net_sent_bytes) == (7, 8)


def test_a_missing_program_is_told_with_its_package() -> None:
    host = LocalHost("node7")
    lacks = machine.missing_programs(host, {"absent-program": "some-package", "sh": "dash"})
    assert [(lack.sentence, lack.remedy, lack.fatal) for lack in lacks] == [
        ("cannot find the program absent-program on node7", "install the package some-package", True)
    ]


def test_a_running_domain_without_a_screen_is_said() -> None:
    with pytest.raises(Unavailable, match="cannot open the screen"):
        parse.screen("<domain><devices/></domain>")


@pytest.mark.parametrize(
    ("name", "state", "listens"),
    [
        ("org.qemu.guest_agent.0", "connected", True),
        ("org.qemu.guest_agent.0", "disconnected", False),
        ("com.redhat.spice.0", "connected", False),
    ],
)
def test_an_agent_listens_where_a_guest_has_opened_its_channel(name: str, state: str, listens: bool) -> None:
    channel = f"<channel type='unix'><target type='virtio' name='{name}' state='{state}'/></channel>"
    assert parse.agent_listens(f"<domain><devices>{channel}</devices></domain>") is listens
    assert not parse.agent_listens((GOLDEN / "bare.xml").read_text())
