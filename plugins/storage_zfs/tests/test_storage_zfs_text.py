"""Options, commands and what is read from ZFS: goldens, samples of two generations, and anything at all."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from origo_plugins.storage_zfs import commands, options, parse

from origo.contracts import PoolSpec
from origo.errors import BadInput, Unavailable

GOLDEN = Path(__file__).parent / "golden"
FILE = {"file": "/srv/a.zfs", "size": "10G"}
MIRROR = {"devices": "/dev/disk/by-id/one /dev/disk/by-id/two", "layout": "mirror", "zpool": "tank"}


def spec(given: dict[str, str]) -> PoolSpec:
    return PoolSpec(7, "cellar", "/srv/cellar", given)


def offered(generation: str) -> tuple[commands.Offered, commands.Offered]:
    pool, data = ((GOLDEN / f"{name}-get-{generation}.txt").read_bytes() for name in ("zpool", "zfs"))
    return parse.offered(pool), parse.offered(data)


@pytest.mark.parametrize("generation", ["fuse", "2.3"])
@pytest.mark.parametrize(("name", "given"), [("file", FILE), ("mirror", MIRROR)])
def test_what_makes_a_pool_is_shown_for_each_generation(generation: str, name: str, given: dict[str, str]) -> None:
    text = commands.text(commands.create(options.read(spec(given)), *offered(generation)))
    assert text == (GOLDEN / f"create-{name}-{generation}.txt").read_text()


def test_what_a_zfs_does_not_know_is_left_out_and_said() -> None:
    assert commands.left_out(*offered("2.3")) == ()
    assert commands.left_out(*offered("fuse")) == ("compression=lz4", "xattr=sa", "direct=disabled")
    assert len(commands.left_out({}, {})) == len(commands.POOL_PROPERTIES) + len(commands.PROPERTIES)


def test_a_pool_is_taken_in_by_its_id_with_nothing_mounted_and_never_by_force() -> None:
    argv = commands.import_zpool(options.read(spec(MIRROR)), "4161602606064059972")
    assert " ".join(argv) == "zpool import -N -o cachefile=none -d /dev/disk/by-id 4161602606064059972 tank"
    everything = (
        *commands.create(options.read(spec(MIRROR)), {}, {}),
        argv,
        commands.destroy(options.read(spec(FILE))),
    )
    assert not any("-f" in one for one in everything)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "name either files or devices"),
        ({**FILE, "devices": "/dev/sdb"}, "name either files or devices"),
        ({"file": "srv/a"}, "no absolute, plain path"),
        ({"file": "/srv/../a"}, "no absolute, plain path"),
        ({"devices": "/dev/sdb -f"}, "no absolute, plain path"),
        ({"devices": "/dev/sdb /dev/sdb", "layout": "mirror"}, "named twice"),
        ({"devices": "/dev/s\x07"}, "cannot be printed"),
        ({"devices": "/dev/sdb /dev/sdc", "layout": "single"}, "single takes exactly one"),
        ({"devices": "/dev/sdb", "layout": "mirror"}, "mirror takes at least 2"),
        ({"devices": "/dev/sdb /dev/sdc", "layout": "raidz"}, "raidz takes at least 3"),
        ({"devices": "/dev/sdb", "layout": "raid0"}, "there is no layout 'raid0'"),
        ({"file": "/srv/a"}, "is no size"),
        ({"file": "/srv/a", "size": "-1G"}, "is no size"),
        ({"file": "/srv/a", "size": "1M"}, "too small or too large"),
        ({"file": "/srv/a", "size": "999999999999T"}, "too small or too large"),
        ({**FILE, "zpool": "-f"}, "no name for a ZFS pool"),
        ({**FILE, "zpool": "mirror-1"}, "no name for a ZFS pool"),
        ({**FILE, "zpool": "a/b"}, "no name for a ZFS pool"),
        ({**FILE, "zpool": "a b"}, "no name for a ZFS pool"),
    ],
)
def test_options_that_make_no_sense_are_refused(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadInput, match=f"^cannot make pool cellar: .*{sentence}"):
        options.read(spec(given))


def test_options_are_read() -> None:
    wanted = options.read(spec(FILE))
    assert (wanted.zpool, wanted.dataset, wanted.layout, wanted.size_bytes) == (
        "origo-7",
        "origo-7/pool",
        "single",
        10 << 30,
    )
    assert options.read(spec(MIRROR)).devices == ("/dev/disk/by-id/one", "/dev/disk/by-id/two")


@pytest.mark.parametrize(
    ("name", "health", "sentence"),
    [
        ("healthy", "ok", ""),
        ("offline", "degraded", "the ZFS pool origo-7 is DEGRADED: /dev/vdc1 is OFFLINE"),
        (
            "errors",
            "degraded",
            "the ZFS pool origo-7 is ONLINE: /dev/vda1 had 12 errors, 2 places in its files are damaged",
        ),
        ("gone", "failed", "the ZFS pool origo-7 is SUSPENDED: /dev/vda1 is UNAVAIL, /dev/vdc1 is FAULTED"),
    ],
)
def test_health_is_a_sentence_that_names_the_device(name: str, health: str, sentence: str) -> None:
    printed = (GOLDEN / f"status-{name}.json").read_bytes()
    assert parse.status(printed, "origo-7") == (health, sentence)


@pytest.mark.parametrize(
    ("state", "health"), [("ONLINE", "ok"), ("DEGRADED", "degraded"), ("FAULTED", "failed"), ("UNAVAIL", "failed")]
)
def test_an_old_zfs_tells_health_by_one_word(state: str, health: str) -> None:
    found, sentence = parse.health("origo-7", state)
    assert found == health
    assert bool(sentence) == (health != "ok")


def test_pools_properties_and_signatures_are_read() -> None:
    printed = b"tank\t123\tONLINE\t-\norigo-7\t45\tONLINE\tnone\nno pools available\n"
    assert parse.pools(printed) == {"tank": ("123", "ONLINE", True), "origo-7": ("45", "ONLINE", False)}
    assert parse.properties(b"a\tused\t5\na/pool\tused\t6\n") == {"a": {"used": "5"}, "a/pool": {"used": "6"}}
    assert parse.signatures(b"") == ()
    printed = (GOLDEN / "wipefs.json").read_bytes()
    assert parse.signatures(printed) == (
        parse.Signature("ext4", "", "46b71bee-2fe9-4ade-8b80-e443c045f884"),
        parse.Signature("zfs_member", "tq", "11876136998789078244"),
    )
    disks = (
        b'{"blockdevices": [{"path": "/dev/vda", "mountpoints": [null]}, {"path": "/dev/vda1", "mountpoints": ["/"]}]}'
    )
    assert parse.devices(disks) == (parse.Device("/dev/vda", ()), parse.Device("/dev/vda1", ("/",)))
    assert parse.version(b"zfs-2.3.9-0+deb13u1\nzfs-kmod-2.3.9-0+deb13u1\n") == "2.3.9"
    assert parse.version(b"") == ""
    assert parse.label_state(b"    version: 23\n    state: 2\n        state: 0\n    state: 2\n") == 2


def test_where_datasets_would_be_mounted_and_shared_is_read() -> None:
    printed = (
        b"tank\toff\tnone\toff\toff\n"
        b"tank/pool\ton\t/srv/cellar\trw\toff\n"
        b"tank/x\tnoauto\t/etc/cron.d\toff\toff\n"
        b"tank/y\ton\tlegacy\toff\toff\n"
        b"tank/z\toff\t/etc\toff\toff\n"
    )
    places = [("", False), ("/srv/cellar", True), ("/etc/cron.d", False), ("", False), ("", False)]
    assert [(one.mountpoint, one.shared) for one in parse.datasets(printed)] == places


def test_a_mountpoint_that_pretends_to_be_other_lines_is_refused() -> None:
    pretended = b"tank/x\ton\t/etc/cron.d\n\toff\toff\n"
    with pytest.raises(Unavailable, match="cannot tell what is in a ZFS pool"):
        parse.datasets(pretended)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda of: st.lists(of) | st.dictionaries(st.text() | st.sampled_from(["pools", "t", "vdevs", "state"]), of),
)
PRINTED = st.binary() | JSON.map(lambda value: json.dumps(value).encode())
STATUS = JSON.map(lambda value: json.dumps({"pools": {"t": {"state": "ONLINE", "vdevs": value}}}).encode())


@given(PRINTED | STATUS)
def test_anything_that_is_printed_is_read_or_refused(printed: bytes) -> None:
    readers = (
        lambda text: parse.status(text, "t"),
        lambda text: parse.number(parse.properties(text).get("", {}), "used"),
        parse.signatures,
        parse.datasets,
        parse.devices,
        parse.label_state,
        parse.offered,
        parse.pools,
        parse.version,
    )
    refused = 0
    for reader in readers:
        try:
            reader(printed)
        except Unavailable as error:
            refused += error.message.startswith("cannot tell")
        else:
            refused += 1
    assert refused == len(readers)


@given(st.dictionaries(st.sampled_from(["file", "devices", "layout", "size", "zpool"]), st.text()))
def test_any_options_are_read_or_refused(given: dict[str, str]) -> None:
    try:
        wanted = options.read(spec(given))
    except BadInput as error:
        assert error.message.startswith("cannot make pool cellar")
    else:
        assert all(source.startswith("/") for source in wanted.sources)


LABEL = b"""------------------------------------
LABEL 0
------------------------------------
    version: 5000
    name: 'origo-0'
    state: 0
    txg: 4
    hostid: 2130641152
    hostname: 'cellar'
    Uberblock[0]
\tmagic = 0000000000bab10c
\tversion = 5000
\ttxg = 32
\tguid_sum = 7403147811628938838
\ttimestamp = 1795414526 UTC = Mon Nov 23 06:15:26 2026
\tbp = DVA[0]=<0:12000:1000> DVA[1]=<0:2012000:1000> fletcher4 lz4 birth=32L/32P
\tmmp_magic = 00000000a11cea11
    Uberblock[1]
\tmagic = 0000000000bab10c
\tversion = 5000
\ttxg = 33
\tguid_sum = 7403147811628938838
\ttimestamp = 1795414531 UTC = Mon Nov 23 06:15:31 2026
"""


def test_the_label_of_a_device_tells_which_machine_wrote_it_last_and_when() -> None:
    assert parse.written(LABEL) == parse.Written(33, 1795414531, "cellar")
    with pytest.raises(Unavailable, match="cannot tell when"):
        parse.written(b"failed to unpack label 0")
