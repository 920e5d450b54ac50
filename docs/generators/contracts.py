"""The page of contracts: every class that a driver implements, its methods, and the data that crosses the boundary."""

import dataclasses
import enum
import inspect
import re

from origo import contracts

HEAD = """# Contracts

What a driver promises. Each method may be called twice; deleting what is absent succeeds; reading what is absent raises
`NotFound`; nothing is remembered between calls but what the outside world remembers.
"""


def page() -> str:
    """The contracts, then the data."""
    names = [(name, getattr(contracts, name)) for name in sorted(contracts.__all__)]
    classes = [(name, found) for name, found in names if inspect.isclass(found)]
    promised = [_contract(name, found) for name, found in classes if inspect.isabstract(found)]
    data = [_data(name, found) for name, found in classes if dataclasses.is_dataclass(found)]
    words = [_words(name, found) for name, found in classes if issubclass(found, enum.Enum)]
    return "\n".join([HEAD, *promised, "# Data\n", *data, *words]).rstrip() + "\n"


def _contract(name: str, found: type) -> str:
    bases = [base.__name__ for base in found.__bases__ if base.__module__.startswith("origo.")]
    lines = [f"## {name}{' (' + ', '.join(bases) + ')' if bases else ''}", "", inspect.getdoc(found) or "", ""]
    for method, function in vars(found).items():
        if inspect.isfunction(function) and not method.startswith("_"):
            text = (inspect.getdoc(function) or "").replace("\n\n", "\n").replace("\n", "\n  ")
            lines.append(f"* `{method}{_signature(function)}`\n  {text}")
    return "\n".join(lines) + "\n"


def _signature(function: object) -> str:
    text = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()")  # type: ignore[arg-type]
    return re.sub(r"\b(?:origo|collections|typing|pathlib)\.(?:\w+\.)*", "", text).replace("'", "")


def _data(name: str, found: type) -> str:
    lines = [f"## {name}", "", inspect.getdoc(found) or "", ""]
    for field in dataclasses.fields(found):
        kind = re.sub(r"\b(?:\w+\.)+", "", field.type if isinstance(field.type, str) else _kind(field.type))
        default = "" if field.default is dataclasses.MISSING else f" = `{field.default!r}`"
        lines.append(f"* `{field.name}`: `{kind}`{default}")
    return "\n".join(lines) + "\n"


def _kind(kind: object) -> str:
    return kind.__name__ if inspect.isclass(kind) and not getattr(kind, "__args__", None) else str(kind)


def _words(name: str, found: type[enum.Enum]) -> str:
    return f"## {name}\n\n{inspect.getdoc(found)}\n\n" + "\n".join(f"* `{word.value}`" for word in found) + "\n"
