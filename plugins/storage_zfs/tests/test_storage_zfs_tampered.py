"""A ZFS pool that somebody else wrote into is looked at before anything of it is mounted, shared or run."""

from pathlib import Path

import pytest

from origo.contracts import PoolSpec
from origo.errors import Unavailable
from origo.host import Host
from origo.testing.storage_suite import IMAGE, Make, put

pytestmark = [pytest.mark.needs("zfs"), pytest.mark.timeout(300)]


def value(host: Host, name: str, of: str) -> str:
    tool = "zfs" if "/" in of else "zpool"
    columns = ["-Hp", "-o", "value"] if tool == "zfs" else []
    return host.run([tool, "get", *columns, name, of]).text.split("\n")[-2].split()[-1 if tool == "zfs" else 2]


def imported(host: Host) -> bool:
    return "origo-7" in host.run(["zpool", "list", "-H", "-o", "name"]).text


def mounts() -> str:
    return Path("/proc/mounts").read_text()


def given_back_with(make: Make, pool: PoolSpec, *argv: str) -> None:
    """The pool with an image, and what somebody did to it before it was given back."""
    make().create(pool)
    put(make(), pool, IMAGE)
    make().host.run(argv)
    make().host.run(["zpool", "export", "origo-7"])


def test_a_pool_with_another_dataset_that_would_be_mounted_is_refused_and_given_back(
    make: Make, host: Host, pool: PoolSpec
) -> None:
    place = f"{pool.path}-cron.d"
    given_back_with(make, pool, "zfs", "create", "-o", f"mountpoint={place}", "origo-7/x")
    for act in (make().open, make().create, make().take, make().destroy):  # type: ignore[attr-defined]
        with pytest.raises(Unavailable) as refused:
            act(pool)
        sentence = f"it has another dataset, origo-7/x, that would be mounted at {place!r}"
        assert refused.value.message == f"cannot open pool cellar: {sentence}"
        assert refused.value.hint.endswith("if it is yours: `zfs set mountpoint=none origo-7/x`")
        assert not imported(host) and place not in mounts()


def test_a_pool_is_opened_once_its_other_dataset_is_mounted_nowhere(make: Make, host: Host, pool: PoolSpec) -> None:
    given_back_with(make, pool, "zfs", "create", "-o", "mountpoint=none", "origo-7/x")
    make().open(pool)
    assert list(make().list(pool, "images")) == [IMAGE.name]
    assert value(host, "type", "origo-7/x") == "filesystem"
    assert value(host, "cachefile", "origo-7") == "-", "the machine imports it at its next boot, before its NFS server"


def test_a_pool_that_is_imported_already_is_looked_at_before_it_is_mounted(
    make: Make, host: Host, pool: PoolSpec
) -> None:
    make().create(pool)
    host.run(["zfs", "create", "-o", f"mountpoint={pool.path}-cron.d", "origo-7/x"])
    make().open(pool)
    usage = make().usage(pool)
    assert usage.health == "degraded" and usage.sentence.startswith(
        "pool cellar would not be taken in again: it has another dataset, origo-7/x,"
    ), "it is told before a restart"
    assert usage.sentence.endswith("(`zfs set mountpoint=none origo-7/x`)")
    host.run(["zfs", "umount", "origo-7/pool"])
    with pytest.raises(Unavailable, match="it has another dataset, origo-7/x"):
        make().open(pool)
    assert f" {pool.path} " not in mounts()


def test_a_pool_that_cannot_be_mounted_at_its_place_is_mounted_nowhere_at_a_boot(
    make: Make, host: Host, pool: PoolSpec
) -> None:
    make().create(pool)
    host.run(["zfs", "umount", "origo-7/pool"])
    host.run(["zfs", "set", f"mountpoint={pool.path}-cron.d", "origo-7/pool"])
    host.run(["zfs", "umount", "origo-7/pool"], check=False)
    host.run(["zpool", "set", "cachefile=none", "origo-7"])
    stranger = Path(pool.path, "stranger")
    stranger.touch()
    with pytest.raises(Unavailable, match="holds something else"):
        make().open(pool)
    assert value(host, "cachefile", "origo-7") == "none"
    stranger.unlink()
    make().open(pool)
    assert value(host, "cachefile", "origo-7") == "-"


def test_a_pool_whose_dataset_would_be_shared_is_refused(make: Make, host: Host, pool: PoolSpec) -> None:
    make().create(pool)
    host.run(["zfs", "set", "sharenfs=rw", "origo-7/pool"], check=False)
    host.run(["zfs", "umount", "origo-7/pool"])
    with pytest.raises(Unavailable, match="its dataset origo-7/pool would be shared with other machines"):
        make().open(pool)
    assert f" {pool.path} " not in mounts()


def test_a_pool_of_an_older_version_is_guarded_from_its_next_opening_on(make: Make, host: Host, pool: PoolSpec) -> None:
    make().create(pool)
    for name in ("setuid", "devices", "exec"):
        host.run(["zfs", "set", f"{name}=on", "origo-7/pool"])
    make().open(pool)
    assert [value(host, name, "origo-7/pool") for name in ("setuid", "devices", "exec")] == ["off"] * 3
