"""The support bundle has what helps, and none of the secrets that lay wherever it looked."""

import gzip
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from api_world import World
from click.testing import CliRunner

from origo import __main__, config
from origo.errors import Conflict
from origo.host import Result
from origo.host.local import LocalHost
from origo.secrets import new_key, recovery
from origo.services.access import SYSTEM
from origo.services.engine import support
from origo.services.issues import raise_
from origo.services.users import passwords

TSIG = "rzTgjIP8fNJyLq4ZBY1vbTNxsLWNkIh1L0GnwZhqyCE="
PASSWORD = "Tr0ub4dor-and-3"
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEH\nQAbc\n-----END PRIVATE KEY-----\n"


class Talkative(LocalHost):
    """A machine each of whose programs prints what it should not."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self.said = said

    def run(self, argv: Sequence[str], **more: Any) -> Result:
        return Result(tuple(argv), 0, f"{argv[0]} begins\n{self.said}{argv[0]} ends\n".encode(), b"")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    home = tmp_path / "home"
    made = World(home)
    monkeypatch.setenv("ORIGO_HOME", str(home))
    monkeypatch.delenv("ORIGO_URL", raising=False)
    made.web.start()
    yield made
    made.web.stop()
    made.close()


def unpacked(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        files = [(member, archive.extractfile(member)) for member in archive.getmembers()]
        return {member.name.partition("/")[2]: file.read().decode() for member, file in files if file}


def test_no_secret_is_in_it_wherever_it_lay(world: World, tmp_path: Path) -> None:
    core = world.core
    token = world.token(world.user("anna", password=PASSWORD))
    link = passwords.setup_link(core, SYSTEM)["url"].partition("ticket=")[2]
    cookie, key, sealed = new_key(), recovery.new_pair()[0], core.secrets.seal("a sealed answer")
    hashed = core.secrets.hash_password(PASSWORD)
    lines = [
        f"set-up link url=https://192.0.2.1/setup/{link} more",
        f"GET /setup?ticket={link}",
        f"Cookie: __Host-origo={cookie}",
        f"Authorization: Bearer {token}",
        f"origo users set --password {PASSWORD}",
        json.dumps({"password": PASSWORD, "administrator": {"passphrase": f"{PASSWORD} again"}}),
        f'secret "{TSIG}";',
        f"dns_key={TSIG}",
        f"recovery key: {key}",
        f"fetching https://anna:{PASSWORD}@mirror.example/x",
        f"row {sealed} {hashed} {cookie}",
        PEM,
    ]
    text = "\n".join(lines) + "\n"
    (core.config.home / config.FILE).write_text(f'name = "lab"\npassword = "{PASSWORD}"\n# {token}\n{PEM}')
    raise_(core.events, "planted", f"cannot log in with {token} and password={PASSWORD}")
    target = tmp_path / "bundle.tar.gz"
    support.write(Talkative(text), core.config.home, target)
    found = gzip.decompress(target.read_bytes()).decode()
    for secret in (PASSWORD, TSIG, token, link, cookie, key, sealed, hashed, "MIGHAgEAMBMG", "QAbc"):
        assert secret not in found, secret
    parts = unpacked(target)
    assert (
        parts["units/journal.txt"].startswith("journalctl begins\n") and "journalctl ends" in parts["units/journal.txt"]
    )
    assert 'name = "lab"' in parts["settings.toml"] and "cannot log in with" in parts["engine/issues.json"]


def test_it_is_the_owners_alone_and_bounded_and_overwrites_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(support, "MOST", 10_000)
    target = tmp_path / "bundle.tar.gz"
    support.write(Talkative("a line of the journal\n" * 2_000), world.core.config.home, target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert all(len(text) <= support.MOST for text in unpacked(target).values())
    with pytest.raises(Conflict, match="it is there already"):
        support.write(LocalHost(), world.core.config.home, target)


def test_it_is_made_without_a_running_engine_and_says_what_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORIGO_HOME", str(tmp_path / "nowhere"))
    target = tmp_path / "bundle.tar.gz"
    ended = CliRunner().invoke(__main__.cli, ["support-bundle", "--out", str(target)])
    assert ended.exit_code == 0, ended.exception
    assert "units/journal.txt" in ended.output and "before you send it" in ended.output
    parts = unpacked(target)
    assert "cannot reach the engine" in parts["engine/doctor.json"]
    assert parts["system/kernel.txt"].startswith("Linux")
