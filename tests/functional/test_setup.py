"""What whoever sets a new engine up is promised: asked once, checked first, all or nothing, and never twice."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from origo import __main__, config, model
from origo.errors import BadInput, OrigoError
from origo.operations.core import Core
from origo.services import engine, pools
from origo.services.engine import zone
from origo.services.pools import keeping
from tests.functional import kinds
from tests.functional.api_world import World
from tests.functional.watching import open_issues

RECIPES = Path(__file__).resolve().parents[2] / "appliance" / "stacks"
PASSWORD = "correct horse battery"
ANSWERS = """
name = "lab"
domain = "lab.example"

[administrator]
name = "anna"
password = "correct horse battery"

[storage]
driver = "files"
"""

Run = Callable[..., Result]


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    """A new engine that waits to be set up."""
    monkeypatch.setenv("ORIGO_HOME", str(tmp_path))
    monkeypatch.delenv("ORIGO_URL", raising=False)
    with kinds.running(tmp_path, kinds.without_a_pool) as core:
        core.config = core.config.changed({"setup": True})
        engine.ensure(core)
        world = World(tmp_path, core=core)
        world.web.start()
        yield core
        world.web.stop()


@pytest.fixture
def run(core: Core) -> Run:
    return lambda *words, **more: CliRunner().invoke(__main__.cli, words, **more)


def answers(core: Core, text: str = ANSWERS) -> str:
    path = core.config.home / "answers.toml"
    path.write_text(text)
    return str(path)


def refusal(result: Result) -> OrigoError:
    assert isinstance(result.exception, OrigoError), (result.output, result.exception)
    return result.exception


def test_it_says_that_it_waits_and_makes_no_pool_before(core: Core, run: Run) -> None:
    keeping.ensure(core)
    assert not model.Pool.select().exists()
    assert open_issues() == ["this engine is not set up yet"]
    assert json.loads(run("engine", "show", "--json").stdout)["awaits_setup"] is True


def test_what_needs_a_pool_says_that_set_up_comes_first(core: Core, run: Run) -> None:
    error = refusal(run("stacks", "build", str(RECIPES / "hello")))
    assert (error.message, "origo setup" in error.hint) == ("cannot find pool 0", True)


def test_a_file_of_answers_makes_it_a_whole_engine(core: Core, run: Run) -> None:
    result = run("setup", "--answers", answers(core))
    said, key = result.stdout.splitlines()
    assert said == "engine lab is set up: https://origo.lab.example:8443", (result.output, result.exception)
    assert key.startswith("recovery key: ") and model.EngineRow.get().recovery
    assert pools.find(0).state == "ready" and Path(pools.find(0).path, "images").is_dir()
    user = model.User.get(model.User.name == "anna")
    assert (user.role, user.enabled) == ("admin", True) and core.secrets.verify_password(PASSWORD, user.password)
    assert config.load(core.config.home, {})["domain"] == core.config["domain"] == "lab.example"
    assert open_issues() == []
    shown = json.loads(run("engine", "show", "--json").stdout)
    assert (shown["name"], shown["host"], shown["awaits_setup"]) == ("lab", "origo.lab.example", False)


def test_no_secret_is_in_the_journal(core: Core, run: Run) -> None:
    run("setup", "--answers", answers(core))
    row = model.OperationRow.get(model.OperationRow.kind == "engine.setup")
    assert PASSWORD not in repr([row.args, row.data]) and "argon2" not in repr([row.args, row.data])


def test_a_plan_shows_what_it_would_do_and_does_nothing(core: Core, run: Run) -> None:
    shown = run("setup", "--answers", answers(core), "--plan").stdout
    assert "1. make the pool" in shown and "domain = lab.example" in shown
    assert not model.Pool.select().exists() and not model.User.select().where(model.User.name == "anna").exists()


def test_what_lies_where_pool_0_shall_be_is_told_by_the_plan_too_and_nothing_is_begun(core: Core, run: Run) -> None:
    letter = Path(core.config.path("pools", "0", "letter"))
    letter.parent.mkdir(parents=True, exist_ok=True)
    letter.touch()
    for words in (("--plan",), ()):
        said = refusal(run("setup", "--answers", answers(core), *words)).message
        assert "the folder holds something else (letter)" in said
    assert not model.OperationRow.select().exists() and letter.exists()
    letter.unlink()
    assert run("setup", "--answers", answers(core)).exit_code == 0


def test_comments_and_other_settings_stay_in_the_file(core: Core, run: Run) -> None:
    file = core.config.home / config.FILE
    file.write_text('# ours\nworkers = 4\ndomain = "old.example"\n')
    run("setup", "--answers", answers(core))
    assert file.read_text() == '# ours\nworkers = 4\nname = "lab"\ndomain = "lab.example"\n'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lab.example", "Lab Example", "domain"),
        ("lab.example", "-x", "domain"),
        (PASSWORD, "short", "cannot use this password"),
        ('"anna"', '"a b"', "name"),
        ('"anna"', '"system"', "name"),
        ('"files"', '"floppy"', "there is no storage driver floppy"),
        ("[storage]", "[storag]", "storag"),
        ("domain =", "domian =", "domain"),
        ('"lab"', '"a/b"', "name"),
        ('"lab"', '"lab"\ntime_zone = "Europe/Viena"', "there is none of that name"),
        ('"lab"', '"lab"\nouter_interface = "nowhere9"', "cannot use the interface nowhere9"),
        ('"lab"', '"lab"\nouter_interface = "a;b"', "outer_interface"),
        ('"files"', '"files', "cannot read the answers"),
    ],
)
def test_a_wrong_answer_is_told_before_anything_is_done(core: Core, run: Run, old: str, new: str, said: str) -> None:
    found = refusal(run("setup", "--answers", answers(core, ANSWERS.replace(old, new))))
    assert said in found.message and found.message.startswith("cannot ")
    assert not model.Pool.select().exists() and not model.OperationRow.select().where(kind("engine.setup")).exists()


def kind(name: str) -> Any:
    return model.OperationRow.kind == name


def test_one_that_failed_leaves_nothing_and_may_be_run_again(
    core: Core, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise BadInput("cannot write: the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(core.local, "write", full)
        failed = run("setup", "--answers", answers(core))
    assert failed.exit_code == 1 and "the disk is full" in failed.stderr
    assert not model.Pool.select().exists() and not model.User.select().where(model.User.name == "anna").exists()
    assert core.config["domain"] == "localhost" and not (core.config.home / config.FILE).exists()
    assert run("setup", "--answers", answers(core)).exit_code == 0


def test_an_engine_is_set_up_only_once(core: Core, run: Run) -> None:
    run("setup", "--answers", answers(core))
    assert "cannot set this engine up" in refusal(run("setup", "--answers", answers(core))).message


def test_what_the_environment_says_cannot_be_chosen(core: Core, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORIGO_DOMAIN", "test")
    assert "ORIGO_DOMAIN has it" in refusal(run("setup", "--answers", answers(core))).message


def test_without_a_file_a_person_is_asked_sees_the_plan_and_may_say_no(core: Core, run: Run) -> None:
    core.drivers.register("storage", "storage_rsync", kinds.WatchedStorage)
    words = ["lab", "lab.example", "", "", "", "anna", PASSWORD, PASSWORD]
    said_no = run("setup", input="\n".join([*words, "n", ""]))
    assert said_no.exit_code == 1 and "1. make the pool" in said_no.stdout
    assert not model.Pool.select().exists()
    said_yes = run("setup", input="\n".join([*words, "y", ""]))
    assert "engine lab is set up: https://origo.lab.example:8443\n" in said_yes.stdout


def test_an_engine_that_waits_for_nobody_has_its_pool_from_the_start(tmp_path: Path) -> None:
    with kinds.running(tmp_path) as core:
        assert not engine.awaits_setup(core) and pools.find(0).state == "ready"


def test_the_time_zone_is_chosen_and_an_undo_puts_the_old_one_back(
    core: Core, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Etc/UTC")
    monkeypatch.setattr(zone, "LINK", str(link))
    wanted = answers(core, ANSWERS.replace('"lab"', '"lab"\ntime_zone = "Europe/Vienna"'))
    assert "Europe/Vienna" in run("setup", "--answers", wanted, "--plan").stdout
    write = core.local.write

    def refuse(path: str, *words: Any, **more: Any) -> None:
        if path.endswith(config.FILE):
            assert str(link.readlink()) == "/usr/share/zoneinfo/Europe/Vienna"
            raise BadInput("cannot write: the disk is full")
        write(path, *words, **more)

    with monkeypatch.context() as broken:
        broken.setattr(core.local, "write", refuse)
        assert run("setup", "--answers", wanted).exit_code == 1
    assert zone.current() == "Etc/UTC"
    assert run("setup", "--answers", wanted).exit_code == 0
    assert zone.current() == "Europe/Vienna"
