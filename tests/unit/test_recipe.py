"""What a recipe may say, and what is told about one that says something else."""

import os
from pathlib import Path

import pytest

from origo.errors import BadInput, NotFound
from origo.services.catalog import recipe_read
from origo.services.catalog.recipe import content, member_names

HELLO = Path(__file__).parents[2] / "appliance/stacks/hello"
SMALLEST = """
name = "one"
version = "1"
title = "One"
[base]
suite = "bookworm"
[[server]]
name = "web"
memory = "64M"
disk = "1G"
"""


def problems(text: str) -> dict[str, str]:
    """The problems of a recipe, by place."""
    with pytest.raises(BadInput) as caught:
        recipe_read.parse(text.encode())
    return {entry["place"]: entry["text"] for entry in caught.value.details["problems"]}


def folder_with(folder: Path, more: str) -> Path:
    (folder / "recipe.toml").write_text(SMALLEST + more)
    return folder


def test_the_smallest_recipe_has_a_default_for_all_else() -> None:
    recipe = recipe_read.parse(SMALLEST.encode())
    (server,) = recipe.servers
    assert (recipe.base.form, server.count, server.cpus, server.memory_bytes) == ("full", 1, 1, 64 << 20)
    assert (server.connection.type, server.connection.ports, server.data, recipe.page) == ("internal", (), None, None)


def test_the_recipe_of_hello_is_valid() -> None:
    recipe = recipe_read.read(HELLO)
    assert recipe.name == "hello"
    assert recipe.servers[0].data is not None


@pytest.mark.parametrize(
    ("wrong", "place", "near"),
    [
        ("summery = 'x'\n" + SMALLEST, "summery", "summary"),
        (SMALLEST + "memry = '1G'", "server[0].memry", "memory"),
        (SMALLEST + "[server.data]\nsize = '1G'\nmount = '/d'\nmout = '/d'", "server[0].data.mout", "mount"),
        (SMALLEST.replace("suite =", "from = 'small'\nsuite ="), "base.from", "form"),
        (SMALLEST + "[[questoin]]\nname = 'x'", "questoin", "question"),
        (SMALLEST + "[[question]]\ntitel = 'x'", "question[0].titel", "title"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(wrong: str, place: str, near: str) -> None:
    assert problems(wrong)[place] == f"there is no such key; did you mean '{near}'?"


def test_all_problems_are_told_at_once_each_with_its_place() -> None:
    told = problems(SMALLEST.replace('"64M"', "64").replace('name = "web"', 'name = "Web"') + "count = 0\ncpus = true")
    assert set(told) == {"server[0].memory", "server[0].name", "server[0].count", "server[0].cpus"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("count", "1000000"),
        ("count", "-1"),
        ("count", "1.5"),
        ("cpus", "0"),
        ("order", "101"),
        ("memory", '"1K"'),
        ("memory", '"900T"'),
        ("memory", '"-1G"'),
        ("memory", '"0M"'),
        ("disk", '"999999T"'),
        ("disk", '"1G\\n"'),
        ("packages", '["../x"]'),
        ("packages", '["-oDebug"]'),
        ("packages", '["a b"]'),
        ("commands", '[""]'),
    ],
)
def test_numbers_sizes_and_names_out_of_range_are_refused(key: str, value: str) -> None:
    lines = [line for line in SMALLEST.splitlines() if not line.startswith(f"{key} =")]
    told = problems("\n".join([*lines, f"{key} = {value}"]))
    assert any(place.startswith(f"server[0].{key}") for place in told)


@pytest.mark.parametrize("name", ["../x", "-x", "x/y", "X", "x\\ny", "", "x" * 33, "1x", "x-"])
def test_names_that_could_mean_something_else_are_refused(name: str) -> None:
    assert "name" in problems(SMALLEST.replace('name = "one"', f'name = "{name}"'))


@pytest.mark.parametrize("target", ["etc/x", "/", "/a/../../etc", "/a//b", "/a/./b", "/a\\nb", ""])
def test_a_file_is_only_put_at_a_plain_path_in_the_tree(target: str) -> None:
    assert problems(SMALLEST + f'[[server.file]]\ntarget = "{target}"\ncontent = "x"') != {}


@pytest.mark.parametrize("mode", ['"4755"', '"1777"', "644", '"rwx"', '"0888"'])
def test_modes_beyond_plain_permission_bits_are_refused(mode: str) -> None:
    told = problems(SMALLEST + f'[[server.file]]\ntarget = "/x"\ncontent = ""\nmode = {mode}')
    assert "server[0].file[0].mode" in told


@pytest.mark.parametrize("source", ["../secret", "/etc/passwd", "a/../../b", "./a", ""])
def test_a_path_outside_the_folder_is_refused(source: str) -> None:
    assert problems(SMALLEST + f'[[server.file]]\ntarget = "/x"\nsource = "{source}"') != {}


def test_a_link_in_the_folder_is_refused_wherever_it_leads(tmp_path: Path) -> None:
    (tmp_path / "innocent").symlink_to("/etc/passwd")
    (tmp_path / "www").mkdir()
    (tmp_path / "www/etc").symlink_to("/etc")
    for source in ("innocent", "www", "www/etc/passwd"):
        with pytest.raises(BadInput, match="link|neither a file nor a folder"):
            recipe_read.read(folder_with(tmp_path, f'[[server.file]]\ntarget = "/x"\nsource = "{source}"'))


def test_a_pipe_in_the_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    os.mkfifo(tmp_path / "www/pipe")
    with pytest.raises(BadInput, match="neither a file nor a folder"):
        recipe_read.read(folder_with(tmp_path, '[[server.file]]\ntarget = "/x"\nsource = "www"'))


def test_a_recipe_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").symlink_to("/etc/passwd")
    with pytest.raises(BadInput, match="no ordinary file"):
        recipe_read.read(tmp_path)


def test_a_folder_without_a_recipe_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="cannot find the recipe"):
        recipe_read.read(tmp_path)


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"name = ", b"a = " + b"[" * 5000, b"x" * 100, b'name = "a"\nname = "b"']
)
def test_what_is_no_toml_is_refused_with_a_sentence(text: bytes) -> None:
    with pytest.raises(BadInput, match="cannot read the recipe"):
        recipe_read.parse(text)


def test_a_missing_file_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no file gone.txt"):
        recipe_read.read(folder_with(tmp_path, '[[server.file]]\ntarget = "/x"\nsource = "gone.txt"'))


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ('[page]\nserver = "db"', "page.server"),
        ('[[server]]\nname = "web"\nmemory = "64M"\ndisk = "1G"', "server"),
        ('count = 2\n[[server]]\nname = "web-1"\nmemory = "64M"\ndisk = "1G"', "server"),
        ('[server.data]\nsize = "1G"\nmount = "/usr/share"', "server[0].data.mount"),
        ('[[server.file]]\ntarget = "/x"', "file /x"),
        ('[[question]]\nname = "q"\ntitle = "Q"\ntype = "choice"', "question[0].choices"),
        ('[[question]]\nname = "q"\ntitle = "Q"\nhelp = "h"\npattern = "("', "question[0].pattern"),
        ('[[question]]\nname = "q"\ntitle = "Q"\npattern = "a+"', "question[0].pattern"),
        ('[[question]]\nname = "q"\ntitle = "Q"\ntype = "integer"\nmost = 3\ndefault = 4', "question[0].default"),
    ],
)
def test_what_does_not_fit_together_is_told(more: str, place: str) -> None:
    assert place in problems(SMALLEST + more)


@pytest.mark.parametrize(
    "base",
    [
        "",
        'suite = "bookworm"\nimage = "disk.qcow2"',
        'image = "disk.qcow2"',
        f'image = "http://example.org/x"\nsha256 = "{"0" * 64}"',
        f'image = "../disk.qcow2"\nsha256 = "{"0" * 64}"',
        f'image = "/dev/sda"\nsha256 = "{"0" * 64}"',
        'suite = "bookworm; reboot"',
    ],
)
def test_a_base_is_one_suite_or_one_image_whose_content_is_known(base: str) -> None:
    assert any(place.startswith("base") for place in problems(SMALLEST.replace('suite = "bookworm"', base)))


def test_a_small_system_runs_no_commands_and_has_no_services_of_packages() -> None:
    small = 'commands = ["true"]\n[[service]]\nname = "nginx"\n[base]\nform = "small"'
    told = problems(SMALLEST.replace("[base]", small))
    assert "commands need a base of the form 'full'" in told["server[0]"]
    assert "needs a command" in told["service nginx"]


def test_a_server_has_the_recipes_content_then_its_own() -> None:
    text = SMALLEST.replace("[base]", 'packages = ["bb", "aa"]\ncommands = ["first"]\n[base]')
    recipe = recipe_read.parse(f'{text}packages = ["cc", "aa"]\ncommands = ["second"]'.encode())
    found = content(recipe, recipe.servers[0])
    assert (found.packages, found.commands) == (("aa", "bb", "cc"), ("first", "second"))


def test_several_servers_of_a_kind_are_numbered() -> None:
    assert (member_names("web", 1), member_names("web", 3)) == (("web",), ("web-1", "web-2", "web-3"))


@pytest.mark.parametrize(("name", "size"), [("icon.exe", 10), ("icon.png", 100_000)])
def test_an_icon_is_a_small_picture(tmp_path: Path, name: str, size: int) -> None:
    (tmp_path / name).write_bytes(b"x" * size)
    (tmp_path / "recipe.toml").write_text(f'icon = "{name}"\n{SMALLEST}')
    with pytest.raises(BadInput, match="icon: must be a picture"):
        recipe_read.read(tmp_path)


@pytest.mark.parametrize("command", ["sh -c 'open", "''", "   ", "a\\nb", ""])
def test_a_service_is_started_by_words_that_can_be_told_apart(command: str) -> None:
    told = problems(SMALLEST + f'[[server.service]]\nname = "x"\ncommand = "{command}"')
    assert "server[0].service[0].command" in told
