"""Reading a recipe from its folder: every problem is found at once and told with its place; nothing is trusted."""

import dataclasses
import difflib
import os
import stat
import tomllib
import types
import typing
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic

from origo.errors import BadInput, NotFound, reason
from origo.services.catalog import questions
from origo.services.catalog.recipe import ICONS, MOST_ICON, File, Recipe, Server, content, member_names

FILE = "recipe.toml"
MOST_BYTES = 1 << 20
"""A recipe's own text is never larger than this."""
MOST_FILES = 5_000
MOST_FILE_BYTES = 1 << 30
MOST_SERVERS = 64
SYSTEM_FOLDERS = ("bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "tmp", "usr")

Problem = tuple[str, str]
"""Where it is, like `server[0].memory`, and what is wrong there."""

_adapter = pydantic.TypeAdapter(Recipe)


def read(folder: str | Path) -> Recipe:
    """The recipe in that folder, checked against the folder's files too. Raises BadInput, NotFound."""
    folder = Path(folder)
    path = folder / FILE
    try:
        facts = path.lstat()
    except OSError:
        raise NotFound(f"cannot find the recipe {path}", hint=f"a recipe is a folder with a file {FILE}") from None
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > MOST_BYTES:
        raise BadInput(f"cannot read the recipe {path}: it is no ordinary file of at most 1 MiB")
    recipe = parse(path.read_bytes(), str(path))
    _refuse(str(path), list(_file_problems(recipe, folder)))
    return recipe


def parse(data: bytes, name: str = FILE) -> Recipe:
    """The recipe in this text, without looking at any file. Raises BadInput with all problems in `details`."""
    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else reason(error)
        raise BadInput(f"cannot read the recipe {name}: {why}") from None
    try:
        recipe = _adapter.validate_python(table)
    except pydantic.ValidationError as error:
        _refuse(name, [_problem(entry) for entry in _worth_telling(error.errors(include_url=False))])
        raise
    _refuse(name, list(_problems(recipe)))
    return recipe


def source_files(file: File, folder: Path) -> Iterator[tuple[str, Path]]:
    """Target path and file for everything that a file entry with a `source` puts into the tree.

    Raises ValueError for what is not a plain file or folder, links above all: they could lead out of the folder.
    """
    assert file.source is not None
    source = folder
    for part in file.source.split("/"):
        source = source / part
        if source.is_symlink():
            raise ValueError(f"{source.relative_to(folder)} is a link")
    if source.is_dir():
        yield from _below(source, file.target, folder)
    elif source.is_file():
        yield file.target, source
    else:
        raise ValueError(f"there is no file {file.source} in the recipe's folder")


def _below(source: Path, target: str, folder: Path) -> Iterator[tuple[str, Path]]:
    for parent, folders, files in os.walk(source):
        folders.sort()
        for name in sorted(folders + files):
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                yield f"{target}/{path.relative_to(source)}", path
            elif not stat.S_ISDIR(mode):
                raise ValueError(f"{path.relative_to(folder)} is neither a file nor a folder")


def _refuse(name: str, problems: list[Problem]) -> None:
    if not problems:
        return
    lines = [f"{place}: {text}" if place else text for place, text in problems]
    more = f"; and {len(lines) - 10} more" if len(lines) > 10 else ""
    raise BadInput(
        f"cannot use the recipe {name}: {'; '.join(lines[:10])}{more}",
        details={"problems": [{"place": place, "text": text} for place, text in problems]},
    )


def _worth_telling(entries: list[Any]) -> list[Any]:
    """All but "too few" where the ones that are there could not be read."""
    places = [entry["loc"] for entry in entries]
    return [
        entry
        for entry in entries
        if entry["type"] != "too_short"
        or not any(len(place) > len(entry["loc"]) and place[: len(entry["loc"])] == entry["loc"] for place in places)
    ]


def _problem(entry: Any) -> Problem:
    place = _place(entry["loc"])
    if entry["type"] == "unexpected_keyword_argument":
        known = _known_keys(entry["loc"][:-1])
        near = difflib.get_close_matches(str(entry["loc"][-1]), known, n=1, cutoff=0.5)
        return place, f"there is no such key; did you mean '{near[0]}'?" if near else "there is no such key"
    text = entry["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return place, "is missing" if entry["type"] == "missing" else text[:1].lower() + text[1:]


def _place(location: tuple[Any, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    kind: Any = Recipe
    for part in location:
        if isinstance(part, str):
            kind = _table_type(_fields(kind)[part])
    return sorted(_fields(kind))


def _fields(kind: Any) -> dict[str, Any]:
    """The keys of a table, as written in the recipe, with the type of each."""
    hints = typing.get_type_hints(kind, include_extras=True)
    found = {}
    for one in dataclasses.fields(kind):
        extras = getattr(hints[one.name], "__metadata__", ())
        alias = next((extra.alias for extra in extras if getattr(extra, "alias", None)), one.name)
        found[alias] = hints[one.name]
    return found


def _table_type(hint: Any) -> Any:
    """The dataclass inside `Annotated[tuple[X, ...], …]`, `X | None` or plain `X`."""
    if dataclasses.is_dataclass(hint):
        return hint
    inner = typing.get_args(hint)
    if isinstance(hint, types.UnionType) or inner:
        return next((found for found in map(_table_type, inner) if found), None)
    return None


def _problems(recipe: Recipe) -> Iterator[Problem]:
    """What a single field cannot know."""
    yield from _base_problems(recipe)
    yield from _server_problems(recipe)
    if recipe.page and recipe.page.server not in [server.name for server in recipe.servers]:
        yield "page.server", f"there is no server '{recipe.page.server}'"
    for index, question in enumerate(recipe.questions):
        yield from ((f"question[{index}].{key}", text) for key, text in questions.problems(question))
    yield from _repeated("question", [question.name for question in recipe.questions])


def _base_problems(recipe: Recipe) -> Iterator[Problem]:
    base = recipe.base
    if (base.suite is None) == (base.image is None):
        yield "base", "must have either a suite or an image"
    if base.image and not base.sha256:
        yield "base.sha256", "is missing: an image is only used if its content is the one that the author saw"
    if base.image and "://" in base.image and not base.image.startswith("https://"):
        yield "base.image", "must be a file of the recipe's folder or a URL that starts with https://"
    if base.image and "://" not in base.image and ({"", ".", ".."} & set(base.image.split("/"))):
        yield "base.image", "must be a path inside the recipe's folder"
    for index, server in enumerate(recipe.servers):
        found = content(recipe, server)
        if base.image and (found.packages or found.files or found.commands or found.services):
            yield f"server[{index}]", "nothing can be put into an image: its author has built it already"
        if base.suite and base.form == "small":
            if found.commands:
                yield f"server[{index}]", "commands need a base of the form 'full'"
            yield from (
                (f"service {service.name}", "needs a command: in the form 'small' nothing else starts services")
                for service in found.services
                if service.command is None
            )


def _server_problems(recipe: Recipe) -> Iterator[Problem]:
    names = [name for server in recipe.servers for name in member_names(server.name, server.count)]
    yield from _repeated("server", names)
    if sum(server.count for server in recipe.servers) > MOST_SERVERS:
        yield "server", f"there are more than {MOST_SERVERS} servers in all"
    for index, server in enumerate(recipe.servers):
        place = f"server[{index}]"
        if server.data and server.data.mount.split("/")[1] in SYSTEM_FOLDERS:
            yield f"{place}.data.mount", "is where the system itself lives"
        yield from _entry_problems(recipe, server, place)


def _entry_problems(recipe: Recipe, server: Server, place: str) -> Iterator[Problem]:
    yield from _repeated(f"{place}.service", [service.name for service in content(recipe, server).services])
    for file in recipe.files + server.files:
        if (file.source is None) == (file.content is None):
            yield f"file {file.target}", "must have either a source or a content"


def _repeated(place: str, names: list[str]) -> Iterator[Problem]:
    for name, times in Counter(names).items():
        if times > 1:
            yield place, f"there are {times} called '{name}'"


def _file_problems(recipe: Recipe, folder: Path) -> Iterator[Problem]:
    """What is wrong with the files of the folder that the recipe names."""
    files = recipe.files + tuple(file for server in recipe.servers for file in server.files)
    if recipe.icon:
        files += (File(target="/icon", source=recipe.icon),)
        icon = folder / recipe.icon
        if icon.suffix not in ICONS or (icon.is_file() and icon.stat().st_size > MOST_ICON):
            yield "icon", f"must be a picture ({', '.join(sorted(ICONS))}) of at most {MOST_ICON >> 10} KiB"
    if recipe.base.image and "://" not in recipe.base.image:
        files += (File(target="/image", source=recipe.base.image),)
    count = size = 0
    for file in files:
        if file.source is None:
            continue
        try:
            for _, path in source_files(file, folder):
                count, size = count + 1, size + path.lstat().st_size
                if count > MOST_FILES:
                    yield f"file {file.source}", f"there are more than {MOST_FILES} files in all"
                    return
        except ValueError as error:
            yield f"file {file.source}", str(error)
    if size > MOST_FILE_BYTES and not recipe.base.image:
        yield "file", "all files together are larger than 1 GiB"
