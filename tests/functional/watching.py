"""What tests look at: whether something comes true, the open issues, the queries that were made."""

import time
from collections.abc import Callable

from origo import model


def eventually(true: Callable[[], bool], seconds: float = 5) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def open_issues() -> list[str]:
    """The sentences of the issues that are open."""
    return [issue.sentence for issue in model.Issue.select().where(model.Issue.ended.is_null())]


def queries(work: Callable[[], object]) -> list[str]:
    """What the database is asked meanwhile."""
    seen: list[str] = []
    original = model.database.obj.execute_sql

    def noted(sql: str, *more: object, **named: object) -> object:
        seen.append(sql)
        return original(sql, *more, **named)

    model.database.obj.execute_sql = noted
    try:
        work()
    finally:
        del model.database.obj.execute_sql
    return seen
