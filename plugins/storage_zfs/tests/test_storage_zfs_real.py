"""Pools on a real ZFS (zfs-fuse) in files, here and on a distant machine: the suites, and what only ZFS promises."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from origo_plugins.storage_zfs.driver import ZfsStorage
from zfs_lab import destroyed

from origo.contracts import Place, PoolSpec
from origo.errors import BadInput, Conflict, NoRoom, NotFound, Unavailable
from origo.host import Host, LocalHost
from origo.testing.full_pool_suite import FILL, FullPoolSuite, fill
from origo.testing.storage_suite import IMAGE, TRASHED, Make, StorageSuite, Vanish, put

pytestmark = [pytest.mark.needs("zfs"), pytest.mark.timeout(300)]


class OnZfs:
    """What the suites need of ZFS."""

    @pytest.fixture
    def make(self, make: Make) -> Make:
        return make

    @pytest.fixture
    def pool(self, pool: PoolSpec) -> PoolSpec:
        return pool

    @pytest.fixture
    def vanish(self, host: Host) -> Vanish:
        @contextmanager
        def away() -> Iterator[None]:
            host.run(["zpool", "export", "origo-7"])
            yield

        return away


class TestZfsStorage(OnZfs, StorageSuite):
    pass


class TestFullZfsStorage(OnZfs, FullPoolSuite):
    pass


@pytest.mark.needs("ssh")
class TestDistantZfsStorage(OnZfs, StorageSuite):
    KILL_EVERY = 7

    @pytest.fixture
    def host(self, there: Host) -> Host:
        return there


def test_a_pool_has_the_properties_that_this_zfs_knows_and_says_which_it_does_not(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    names = "recordsize,atime,compression,setuid,devices,exec,origo:pool"
    argv = ["zfs", "get", "-Hp", "-o", "property,value", names, "origo-7/pool"]
    values = dict(line.split("\t") for line in make().host.run(argv).text.splitlines())
    guards = {"setuid": "off", "devices": "off", "exec": "off"}
    assert values == {"recordsize": "65536", "atime": "off", "compression": "off", "origo:pool": "7", **guards}
    assert make().info().notes == {"left out": "this ZFS does not know compression=lz4, xattr=sa, direct=disabled"}


def test_what_is_shown_is_what_is_run(make: Make, pool: PoolSpec) -> None:
    shown = make().render(pool)
    make().create(pool)
    ran = [line.partition(" ")[2] for line in make().host.run(["zpool", "history", "origo-7"]).text.splitlines()[1:]]
    assert ran[:2] == [line for line in shown.splitlines() if line.startswith(("zpool", "zfs"))]


def test_the_file_of_a_pool_takes_its_room_at_once_and_is_nobodys_to_read(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    facts = make().host.stat(pool.options["file"])
    assert facts.allocated_bytes >= 128 << 20
    assert (facts.uid, facts.mode) == (0, 0o600)


def test_the_file_of_a_pool_that_others_can_read_is_closed_when_the_pool_is_opened(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    file = Path(pool.options["file"])
    for act in (make().open, make().create):
        file.chmod(0o644)
        act(pool)
        assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("layout", "number"), [("mirror", 2), ("raidz", 3), ("raidz2", 4)])
def test_layouts_with_spare_devices_survive_the_loss_of_one(
    make: Make, pool: PoolSpec, layout: str, number: int
) -> None:
    files = " ".join(f"{pool.options['file']}{count}" for count in range(number))
    pool = replace(pool, options={"file": files, "size": "128M", "layout": layout})
    make().create(pool)
    path = put(make(), pool, IMAGE)
    make().host.run(["zpool", "offline", "origo-7", files.split()[0]])
    usage = make().usage(pool)
    assert (usage.health, usage.free_bytes > 0) == ("degraded", True)
    assert usage.sentence == "the ZFS pool origo-7 is DEGRADED: `zpool status origo-7` says more"
    make().open(pool)
    assert make().host.read(path)
    make().remove(pool, IMAGE)
    make().destroy(pool)
    assert not any(Path(file).exists() for file in files.split())


class Ailing(LocalHost):
    """This machine when a disk cannot be read any more, though it is still seen."""

    dead = ""

    def command(self, argv, **more):  # type: ignore[no-untyped-def]
        return super().command(["false"] if argv[0] == "wipefs" and argv[-1] == self.dead else argv, **more)


def test_a_mirror_is_opened_even_if_one_of_its_disks_cannot_be_read(make: Make, pool: PoolSpec) -> None:
    files = f"{pool.options['file']}0 {pool.options['file']}1"
    pool = replace(pool, options={"file": files, "size": "128M", "layout": "mirror"})
    make().create(pool)
    ailing = Ailing()
    ailing.dead = files.split()[0]
    for imported in (True, False):
        if not imported:
            make().host.run(["zpool", "export", "origo-7"])
        ZfsStorage(ailing, {}).open(pool)
        assert make().usage(pool).health == "ok"


def test_a_pool_is_found_by_its_id_after_a_reboot(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    path = put(make(), pool, IMAGE)
    make().host.run(["zpool", "export", "origo-7"])
    with pytest.raises(NotFound):
        make().usage(pool)
    make().open(pool)
    assert make().host.exists(path)
    make().host.run(["zfs", "umount", "origo-7/pool"])
    assert make().usage(pool).health == "failed"
    assert "is not mounted" in make().usage(pool).sentence
    make().create(pool)
    assert make().host.exists(path)


def test_a_pool_moves_to_another_path(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    put(make(), pool, IMAGE)
    make().host.run(["zpool", "export", "origo-7"])
    moved = replace(pool, path=f"{pool.path}-elsewhere")
    make().open(moved)
    assert list(make().list(moved, "images")) == [IMAGE.name]


def test_nothing_is_mounted_over_other_files(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    make().host.run(["zpool", "export", "origo-7"])
    Path(pool.path).mkdir(exist_ok=True)
    Path(pool.path, "letter").write_text("mine")
    for act in (make().open, make().create, make().destroy):
        with pytest.raises(Unavailable, match="holds something else"):
            act(pool)
    assert Path(pool.path, "letter").read_text() == "mine"


def test_a_zfs_pool_of_somebody_else_is_left(make: Make, pool: PoolSpec) -> None:
    foreign = pool.options["file"] + "-foreign"
    host = make().host
    host.run(["truncate", "--size=128M", foreign])
    host.run(["zpool", "create", "-m", "none", "origo-7", foreign])
    with pytest.raises(Conflict, match="is there and not its own"):
        make().create(pool)
    make().destroy(pool)
    with pytest.raises(Unavailable, match="not its own"):
        make().usage(pool)
    assert "origo-7" in host.run(["zpool", "list", "-H", "-o", "name"]).text


def test_a_pool_of_another_engine_with_this_name_and_number_is_left(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    other = replace(pool, path=f"{pool.path}-other", options={**pool.options, "file": f"{pool.options['file']}-other"})
    with pytest.raises(Conflict, match="is there and not its own"):
        make().create(other)
    make().destroy(other)
    make().open(pool)
    assert make().usage(pool).health == "ok"


def test_a_pool_is_not_opened_as_another_one_of_its_name_that_is_in_use(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    make().host.run(["zpool", "export", "origo-7"])
    files = {**pool.options, "file": f"{pool.options['file']}-other"}
    other = replace(pool, path=f"{pool.path}-other", options=files)
    make().create(other)
    with pytest.raises(Unavailable, match="the ZFS pool origo-7 is not its own"):
        make().open(pool)
    assert make().usage(pool).health == "failed"
    assert make().usage(other).health == "ok"


def fill_ext4(host: Host, file: str) -> None:
    host.run(["truncate", "--size=128M", file])
    host.run(["mkfs.ext4", "-q", file])


def fill_text(host: Host, file: str) -> None:
    host.write(file, b"a letter")


def fill_zpool(host: Host, file: str) -> None:
    host.run(["truncate", "--size=128M", file])
    host.run(["zpool", "create", "-m", "none", "origo-foreign", file])
    host.run(["zpool", "export", "origo-foreign"])


@pytest.mark.parametrize(
    ("fill", "sentence"),
    [
        (fill_ext4, r"holds a signature \(ext4"),
        (fill_text, "holds something already"),
        (fill_zpool, "holds a ZFS pool named origo-foreign"),
    ],
)
def test_a_file_that_holds_something_is_refused_and_left(
    make: Make, pool: PoolSpec, fill: Callable[[Host, str], None], sentence: str
) -> None:
    file = pool.options["file"]
    fill(make().host, file)
    before = Path(file).read_bytes()
    for ask in (make().examine, make().create):
        with pytest.raises(Conflict, match=sentence):
            ask(pool)
    make().destroy(pool)
    assert Path(file).read_bytes() == before


def test_what_is_no_device_is_refused(make: Make, pool: PoolSpec) -> None:
    for device, sentence in ((f"{pool.path}-none", "there is no"), (__file__, "is no device")):
        for ask in (make().examine, make().create):
            with pytest.raises(BadInput, match=sentence):
                ask(replace(pool, options={"devices": device}))


def test_what_a_destroyed_pool_of_ours_left_is_no_reason_to_refuse(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    make().host.run(["zfs", "unmount", "origo-7/pool"])
    destroyed(make().host, "origo-7")
    make().examine(pool)
    make().create(pool)
    assert make().usage(pool).health == "ok"


def test_a_device_in_use_is_refused(make: Make, pool: PoolSpec) -> None:
    printed = make().host.run(["lsblk", "--json", "--paths", "--list", "--output", "PATH,MOUNTPOINTS"]).out
    used = [entry["path"] for entry in json.loads(printed)["blockdevices"] if any(entry["mountpoints"])]
    assert used, "this machine has no disk that is mounted"
    with pytest.raises(Conflict, match="is in use, mounted at"):
        make().create(replace(pool, options={"devices": used[0]}))


def test_a_file_larger_than_the_room_is_refused(make: Make, pool: PoolSpec) -> None:
    with pytest.raises(NoRoom, match="its files take"):
        make().create(replace(pool, options={**pool.options, "size": "900T"}))
    make().destroy(pool)
    assert Path(pool.options["file"]).exists() is False


def test_a_zfs_that_does_not_answer_is_told(pool: PoolSpec) -> None:
    class Silent(LocalHost):
        def command(self, argv, **more):  # type: ignore[no-untyped-def]
            return super().command(["false"] if argv[0] == "zpool" else argv, **more)

    storage = ZfsStorage(Silent(), {})
    assert [lack.sentence for lack in storage.check()] == [
        "cannot talk to ZFS: cannot run false: it ended with status 1"
    ]
    for act in (storage.create, storage.destroy, storage.open, storage.usage):
        with pytest.raises(Unavailable, match="cannot talk to ZFS") as refused:
            act(pool)
        assert "modprobe zfs" in refused.value.hint


def test_room_is_kept_back_again_after_it_was_used(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    put(make(), pool, IMAGE)
    fill(make(), pool)
    make().move(pool, IMAGE, TRASHED)
    make().remove(pool, FILL)
    deadline = time.monotonic() + 60
    kept = ["zfs", "get", "-Hp", "-o", "value", "refreservation", "origo-7"]
    while make().host.run(kept).text.strip() != str(16 << 20) and time.monotonic() < deadline:
        make().usage(pool)
        time.sleep(0.2)
    assert make().host.run(kept).text.strip() == str(16 << 20)


def test_moving_and_removing_cost_no_zfs_command(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    storage = make()
    put(storage, pool, IMAGE)
    ran: list[tuple[str, ...]] = []

    class Counting(LocalHost):
        def command(self, argv, **more):  # type: ignore[no-untyped-def]
            ran.append(tuple(argv))
            return super().command(argv, **more)

    storage.host = Counting()
    storage.move(pool, IMAGE, Place("masters", IMAGE.name))
    storage.seal(pool, Place("masters", IMAGE.name))
    storage.remove(pool, Place("masters", IMAGE.name))
    assert [argv[0] for argv in ran] == ["sync"]
