"""The page of errors, from their classes."""

import inspect

from origo import errors

HEAD = """# Errors

Every answer that is an error has one shape:
`{"error": {"code": …, "message": …, "hint": …, "details": …}}`. The message is a sentence for a person that starts with
"cannot"; the hint says what can be done, or is empty; programs go by the code.

| code | status | meaning |
|---|---|---|
"""


def page() -> str:
    """One row for each code, by status."""
    found = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.OrigoError)}
    kinds = sorted(found, key=lambda kind: (kind.status, kind.code))
    rows = [f"| `{kind.code}` | {kind.status} | {inspect.getdoc(kind).splitlines()[0]} |" for kind in kinds]
    return HEAD + "\n".join(rows) + "\n"
