"""The doctor on an installed machine: each thing that can be wrong is said in a sentence, with what to do."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from origo import __main__, model, supervise
from origo.host import Result
from origo.host.contract import Space
from origo.host.local import LocalHost
from origo.operations.core import Core
from origo.services import issues
from origo.services.access import SYSTEM
from origo.services.engine import certificates, doctor, firewall, machine
from tests.functional import kinds
from tests.functional.api_world import World

GIB = 1 << 30
ARC = "/sys/module/zfs/parameters/zfs_arc_max"
WELL = {
    "timedatectl": "yes\n",
    "systemctl list-units": "",
    "systemctl show": "0\n",
    "apt-config": 'APT::Periodic::Unattended-Upgrade "1";\n',
    "nft": firewall.render((), ""),
    "systemd-analyze": "# /usr/lib/systemd/journald.conf.d/50-origo.conf\n[Journal]\nSystemMaxUse=500M\n",
}
FILES = {
    "/dev/kvm": b"",
    "/sys/module/zfs": b"",
    ARC: b"1073741824\n",
    "/proc/meminfo": b"MemTotal:        8388608 kB\nMemFree: 1 kB\n",
    "/usr/bin/unattended-upgrade": b"",
    "/usr/bin/linux-version": b"",
}
LOOKED_AT = (*FILES, machine.RESTART)


class Machine(LocalHost):
    """A machine on which all is well until a test changes something."""

    def __init__(self) -> None:
        super().__init__()
        self.says, self.files = dict(WELL), dict(FILES)
        self.room = Space(100 * GIB, 50 * GIB)
        self.mute = ""
        self.codes: dict[str, int] = {}
        self.ran: list[list[str]] = []

    def run(self, argv: Sequence[str], **more: Any) -> Result:
        if argv[0] == self.mute:
            return super().run(["sh", "-c", "echo 'Failed to connect to bus' >&2; exit 1"], **more)
        name = argv[0] if argv[0] != "systemctl" else " ".join(argv[:2])
        if name not in self.says | self.codes:
            return super().run(argv, **more)
        self.ran.append(list(argv))
        return Result(tuple(argv), self.codes.get(name, 0), self.says.get(name, "").encode(), b"")

    def exists(self, path: str) -> bool:
        return path in self.files or (not path.startswith(LOOKED_AT) and super().exists(path))

    def read(self, path: str, **more: Any) -> bytes:
        return self.files[path] if path.startswith(LOOKED_AT) else super().read(path, **more)

    def space(self, path: str) -> Space:
        return self.room


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with kinds.waiting(tmp_path) as made:
        yield dataclasses.replace(made, local=Machine())


@pytest.fixture
def here(core: Core) -> Machine:
    assert isinstance(core.local, Machine)
    return core.local


def found(core: Core, about: str) -> tuple[bool, str, str]:
    """Whether that is well, how it is, and what to do."""
    (one,) = [(ok, sentence, remedy) for name, ok, sentence, remedy in machine.checks(core) if name == about]
    return one


def wrong(core: Core) -> dict[str, tuple[str, str]]:
    """Of all that the doctor looks at what is not well: its sentence and its remedy."""
    checks = doctor.doctor(core, SYSTEM)["items"]
    assert [one for one in checks if one["ok"] and one["remedy"]] == [], "a remedy for what is well"
    return {one["about"]: (one["sentence"], one["remedy"]) for one in checks if not one["ok"]}


def test_on_a_machine_where_all_is_well_nothing_is_found(core: Core) -> None:
    assert [name for name, ok, *_ in machine.checks(core) if not ok] == []


def test_a_clock_that_no_time_server_sets_is_found(core: Core, here: Machine) -> None:
    here.says["timedatectl"] = "no\n"
    ok, sentence, remedy = found(core, "clock")
    assert (ok, sentence) == (False, "no time server has set it") and "timesyncd" in remedy


def test_a_processor_that_runs_no_servers_is_found(core: Core, here: Machine) -> None:
    del here.files["/dev/kvm"]
    ok, sentence, remedy = found(core, "KVM")
    assert not ok and "emulated" in sentence and "firmware" in remedy


def test_the_module_of_zfs_is_missed_only_where_a_pool_needs_it(core: Core, here: Machine) -> None:
    del here.files["/sys/module/zfs"], here.files[ARC]
    assert "cache of ZFS" not in {name for name, *_ in machine.checks(core)}
    assert found(core, "ZFS")[:2] == (True, "its module is not loaded; no pool needs it")
    model.Pool.update(driver="storage_zfs").execute()
    ok, sentence, remedy = found(core, "ZFS")
    assert (ok, sentence) == (False, "its module is not loaded") and "dkms autoinstall" in remedy


@pytest.mark.parametrize(
    ("bound", "sentence"), [("0", "it takes as much memory as there is"), ("4294967297", "it takes at most 4 GiB")]
)
def test_a_cache_of_zfs_that_leaves_guests_less_than_half_is_found(
    core: Core, here: Machine, bound: str, sentence: str
) -> None:
    here.files[ARC] = f"{bound}\n".encode()
    assert found(core, "cache of ZFS")[:2] == (False, sentence)
    here.files[ARC] = b"4294967296\n"
    assert found(core, "cache of ZFS")[0], "half of 8 GiB"


def test_an_engines_disk_that_is_nearly_full_is_found(core: Core, here: Machine) -> None:
    here.room = Space(10 * GIB, GIB - 1)
    ok, sentence, remedy = found(core, "engine's disk")
    assert not ok and "are free" in sentence and "apt clean" in remedy
    here.room = Space(10 * GIB, GIB)
    assert found(core, "engine's disk")[0]


def test_a_disk_with_little_left_is_an_issue_until_there_is_room(core: Core, here: Machine) -> None:
    here.room = Space(GIB, (256 << 20) - 1)
    machine.tell_of_room(core)
    (issue,) = model.Issue.select()
    assert issue.sentence == "the disk with the engine's own data is nearly full: 256 MiB are left"
    assert "apt clean" in issue.remedy and issue.ended is None
    here.room = Space(GIB, 256 << 20)
    machine.tell_of_room(core)
    assert model.Issue.get().ended is not None


def test_units_that_failed_are_named(core: Core, here: Machine) -> None:
    here.says["systemctl list-units"] = (
        "smartd.service loaded failed failed Disk watcher\n\nnfs-server.service loaded failed failed NFS\n"
    )
    ok, sentence, remedy = found(core, "units of systemd")
    assert (ok, sentence) == (False, "failed: smartd.service, nfs-server.service")
    assert "journalctl -u smartd.service" in remedy


def test_units_that_failed_are_an_issue_until_none_has(installed: Core, here: Machine) -> None:
    here.says["systemctl list-units"] = (
        "witness.service loaded failed failed false\nzed.service loaded failed failed ZED\n"
    )
    machine.tell_of_units(installed)
    (issue,) = model.Issue.select()
    assert issue.sentence == "units of systemd have failed: witness.service, zed.service"
    assert "`journalctl -u witness.service`" in issue.remedy
    assert "`systemctl reset-failed witness.service zed.service`" in issue.remedy
    here.says["systemctl list-units"] = ""
    machine.tell_of_units(installed)
    assert model.Issue.get().ended is not None


def test_more_failed_units_than_one_reads_are_counted(installed: Core, here: Machine) -> None:
    here.says["systemctl list-units"] = "".join(f"u{number}.service loaded failed failed U\n" for number in range(12))
    machine.tell_of_units(installed)
    sentence = model.Issue.get().sentence
    assert "u9.service and 2 more" in sentence and "u10.service" not in sentence


def test_failed_units_of_somebody_elses_machine_are_no_issue(core: Core, here: Machine) -> None:
    here.says["systemctl list-units"] = "witness.service loaded failed failed false\n"
    machine.tell_of_units(core)
    assert not model.Issue.select().exists()


def test_updates_that_do_not_come_by_themselves_are_found(core: Core, here: Machine) -> None:
    here.says["apt-config"] = 'APT::Periodic::Unattended-Upgrade "0";\n'
    assert found(core, "security updates")[:2] == (False, "not installed by themselves")
    here.says["apt-config"] = WELL["apt-config"]
    del here.files["/usr/bin/unattended-upgrade"]
    ok, _, remedy = found(core, "security updates")
    assert not ok and "apt install unattended-upgrades" in remedy


def test_a_journal_without_a_bound_is_found_and_the_last_bound_holds(core: Core, here: Machine) -> None:
    here.says["systemd-analyze"] = "[Journal]\n#SystemMaxUse=4G\n"
    ok, _, remedy = found(core, "logs")
    assert not ok and "SystemMaxUse=" in remedy
    here.says["systemd-analyze"] = WELL["systemd-analyze"] + "SystemMaxUse=2G\n"
    assert found(core, "logs")[:2] == (True, "the journal takes at most 2G")
    here.says["systemd-analyze"] += "SystemMaxUse = 3G\n"
    assert found(core, "logs")[:2] == (True, "the journal takes at most 3G")
    here.says["systemd-analyze"] += "SystemMaxUse=\n"
    assert found(core, "logs")[:2] == (False, "the journal has no bound but a tenth of the disk")


@pytest.mark.parametrize("every", ["7", "always"])
def test_updates_that_come_less_often_come_by_themselves_too(core: Core, here: Machine, every: str) -> None:
    here.says["apt-config"] = f'APT::Periodic::Unattended-Upgrade "{every}";\n'
    assert found(core, "security updates")[:2] == (True, "installed by themselves")


def test_a_restart_that_is_due_says_for_which_packages(core: Core, here: Machine) -> None:
    here.files["/run/reboot-required"] = b""
    assert found(core, "restart")[:2] == (False, "updates wait for a restart of the machine")
    here.files["/run/reboot-required.pkgs"] = b"linux-image-amd64\nlibc6\nlinux-image-amd64\n"
    assert found(core, "restart")[1].endswith(": linux-image-amd64, libc6")


def test_a_restart_that_is_due_is_an_issue_until_it_was_done(core: Core, here: Machine) -> None:
    here.files["/run/reboot-required"] = b""
    machine.tell_of_restart(core)
    assert [issue.sentence for issue in model.Issue.select()] == ["updates wait for a restart of the machine"]
    del here.files["/run/reboot-required"]
    machine.tell_of_restart(core)
    assert not model.Issue.select().where(model.Issue.ended.is_null()).exists()


@pytest.fixture
def installed(core: Core, monkeypatch: pytest.MonkeyPatch) -> Core:
    """An engine that the machine's systemd runs, behind its own firewall."""
    monkeypatch.setattr(supervise, "runs_us", lambda: True)
    # (The folders of tests lie where only their user may enter, of which the pool would warn.)
    monkeypatch.setattr(kinds.WatchedStorage, "_closed", lambda storage, pool: "")
    core.config = core.config.changed({"firewall": True})
    return core


def test_a_doctor_who_finds_nothing_has_looked_at_all_and_names_no_remedy(installed: Core) -> None:
    assert wrong(installed) == {}
    looked = {one["about"] for one in doctor.doctor(installed, SYSTEM)["items"]}
    assert {"firewall", "certificate", *machine.LOOKS} - looked == {"kernel"}, "no pool of ZFS is there"


OLD, NEW = "6.12.9+deb13-amd64", "6.12.57+deb13-amd64"
LACKS = f"the kernel {NEW}, which boots next, has no ZFS: pools would be missing"


@pytest.fixture
def with_kernels(installed: Core, here: Machine) -> Core:
    """An engine with a pool of ZFS on a machine with two kernels, the newer of which lacks ZFS."""
    model.Pool.update(driver="storage_zfs").execute()
    here.says["linux-version"] = f"{NEW}\n{OLD}\n"
    here.codes["modinfo"] = 1
    return installed


def test_a_kernel_that_would_boot_without_zfs_is_found_where_a_pool_needs_it(with_kernels: Core, here: Machine) -> None:
    ok, sentence, remedy = found(with_kernels, "kernel")
    assert (ok, sentence) == (False, LACKS)
    assert f"linux-headers-{NEW}" in remedy and "dkms autoinstall" in remedy
    assert ["modinfo", "-k", NEW, "zfs"] in here.ran
    here.codes["modinfo"] = 0
    assert found(with_kernels, "kernel")[:2] == (True, f"the kernel {NEW}, which boots next, has ZFS")
    model.Pool.update(driver="storage_dir").execute()
    assert "kernel" not in {name for name, *_ in machine.checks(with_kernels)}


def test_a_kernel_that_would_boot_without_zfs_is_an_issue_until_it_has_it(with_kernels: Core, here: Machine) -> None:
    machine.tell_of_restart(with_kernels)
    assert [issue.sentence for issue in model.Issue.select()] == [LACKS]
    here.codes["modinfo"] = 0
    machine.tell_of_restart(with_kernels)
    assert not model.Issue.select().where(model.Issue.ended.is_null()).exists()


def test_the_kernels_of_a_machine_that_is_somebody_elses_are_not_judged(
    with_kernels: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "runs_us", lambda: False)
    machine.tell_of_restart(with_kernels)
    assert not model.Issue.select().exists()


def test_a_machine_that_is_somebody_elses_is_not_judged(installed: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "runs_us", lambda: False)
    installed.config = installed.config.changed({"firewall": False})
    looked = {one["about"] for one in doctor.doctor(installed, SYSTEM)["items"]}
    assert looked & {"firewall", *machine.LOOKS} == set()


def test_servers_that_are_not_held_to_their_own_files_are_told_with_the_remedy(installed: Core) -> None:
    def confinement() -> list[tuple[bool, str, str]]:
        checks = doctor.doctor(installed, SYSTEM)["items"]
        return [(one["ok"], one["sentence"], one["remedy"]) for one in checks if "confinement" in one["about"]]

    assert confinement() == [(True, "each server that runs is held to its own files", "")]
    world = Path(model.Node.get().options["state"])
    world.mkdir(exist_ok=True)
    (world / "unconfined").write_text("AppArmor is off")
    assert confinement() == [(True, "AppArmor is off", "remove the file")]


def test_a_firewall_that_somebody_took_away_is_told(installed: Core, here: Machine) -> None:
    here.says["nft"] = "table inet origo_firewall {\n}\n"
    remedy = "it is made again within a minute; if not, `journalctl -u origo` says why"
    assert wrong(installed) == {"firewall": ("it is not there", remedy)}


def test_a_firewall_that_cannot_be_looked_at_is_told_with_its_package(
    installed: Core, here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firewall, "LIST", ("nft-that-nobody-has",))
    ((about, (sentence, remedy)),) = wrong(installed).items()
    assert (about, remedy) == ("firewall", "install the package nftables")
    assert sentence.startswith("cannot run nft-that-nobody-has: ")


@pytest.mark.parametrize("key", [certificates.UNUSABLE, certificates.ENDING, certificates.RENEWAL])
def test_a_certificate_that_is_an_issue_is_told_with_its_remedy(installed: Core, key: str) -> None:
    issues.raise_(installed.events, key, "it ends on a day", remedy="set another")
    assert wrong(installed) == {"certificate": ("it ends on a day", "set another")}
    issues.end(installed.events, key)
    assert wrong(installed) == {}


@pytest.mark.parametrize(
    ("program", "unseen"),
    [
        ("timedatectl", {"clock"}),
        ("systemctl", {"units of systemd", "programs"}),
        ("apt-config", {"security updates"}),
        ("systemd-analyze", {"logs"}),
    ],
)
def test_what_cannot_be_looked_at_is_not_called_well_and_hides_nothing_else(
    installed: Core, here: Machine, program: str, unseen: set[str]
) -> None:
    here.mute = program
    del here.files["/dev/kvm"]
    found = wrong(installed)
    assert found.keys() == {"KVM", *unseen}
    said = ("cannot run sh: Failed to connect to bus", "`journalctl -b -p warning` may say why")
    assert {found[about] for about in unseen} == {said}


def test_the_command_ends_with_1_only_when_something_is_wrong(
    installed: Core, here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORIGO_HOME", str(installed.config.home))
    monkeypatch.delenv("ORIGO_URL", raising=False)
    world = World(installed.config.home, core=installed)
    world.web.start()
    try:
        well = CliRunner().invoke(__main__.cli, ["doctor"])
        here.says["timedatectl"] = "no\n"
        ill, data = CliRunner().invoke(__main__.cli, ["doctor"]), CliRunner().invoke(__main__.cli, ["doctor", "--json"])
    finally:
        world.web.stop()
    assert (well.exit_code, ill.exit_code, data.exit_code) == (0, 1, 1)
    assert "FAIL" not in well.stdout and "ok   clock: it is set by a time server\n" in well.stdout
    assert "FAIL clock: no time server has set it\n       `systemctl status systemd-timesyncd`" in ill.stdout
    assert [one["about"] for one in json.loads(data.stdout) if not one["ok"]] == ["clock"]
