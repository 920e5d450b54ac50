"""A pool that another machine used last is left to it, and taken only when that is asked for and it is idle."""

import re
import socket
import time
from dataclasses import replace

import pytest
from origo_plugins.storage_zfs import driver
from origo_plugins.storage_zfs.driver import ZfsStorage
from zfs_lab import GROUP, start_zfs

from origo.contracts import PoolSpec
from origo.errors import Conflict, Unavailable
from origo.host import Host, LocalHost
from origo.testing.storage_suite import IMAGE, Make, put

pytestmark = [pytest.mark.needs("zfs"), pytest.mark.timeout(300)]


class Elsewhere(LocalHost):
    """This machine as if it had another name and address, which is how ZFS tells machines from each other."""

    def command(self, argv, **more):  # type: ignore[no-untyped-def]
        other = ["unshare", "--uts", "sh", "-c", 'hostname elsewhere.invalid && exec "$@"', "sh"]
        return super().command([*other, *argv], **more)


def lost(make: Make, host: Host, pool: PoolSpec) -> None:
    """Another machine uses the pool, and ends without giving it back."""
    make().create(pool)
    put(make(), pool, IMAGE)
    host.end(GROUP)
    host.run(["rm", "-f", "/etc/zfs/zpool.cache", "/var/lib/zfs/zpool.cache"])
    start_zfs(host)


def test_a_pool_that_another_machine_did_not_give_back_is_not_taken(make: Make, host: Host, pool: PoolSpec) -> None:
    lost(make, host, pool)
    for act in ("open", "create", "destroy"):
        with pytest.raises(Unavailable) as refused:
            getattr(ZfsStorage(Elsewhere(), {}), act)(pool)
        said = f"cannot open pool cellar: the machine {socket.gethostname()} used it last, at {time.gmtime().tm_year}-"
        assert refused.value.message.startswith(said) and refused.value.message.endswith("and did not give it back")
        assert refused.value.hint.startswith("if that machine is gone for good: `origo engine recover --take`")
    make().open(pool)
    assert list(make().list(pool, "images")) == [IMAGE.name]


def test_a_pool_of_a_machine_that_is_gone_is_taken_when_that_is_asked_for(
    make: Make, host: Host, pool: PoolSpec
) -> None:
    lost(make, host, pool)
    for _ in range(2):
        ZfsStorage(Elsewhere(), {}).take(pool)
    assert list(make().list(pool, "images")) == [IMAGE.name]


class Shared(Elsewhere):
    """The disk of another machine that goes on writing to it."""

    def run(self, argv, **more):  # type: ignore[no-untyped-def]
        result = super().run(argv, **more)
        self.looks = getattr(self, "looks", 0) + (argv[0] == "zdb" and argv[1] == "-lu")
        return replace(result, out=re.sub(rb"txg = ([0-9]+)", rb"txg = \g<1>%d" % self.looks, result.out))


def test_a_pool_that_somebody_writes_to_is_never_taken(
    make: Make, host: Host, pool: PoolSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "WATCHED_SECONDS", 0)
    lost(make, host, pool)
    with pytest.raises(Conflict, match="cannot take pool cellar: it is in use, the machine .* used it last"):
        ZfsStorage(Shared(), {}).take(pool)
    assert host.run(["zpool", "list", "-H", "-o", "name"]).text == ""
