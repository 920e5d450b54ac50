"""The daemon's own log: one JSON object a line, to standard error."""

import logging
import sys
import uuid
from typing import Any

import structlog

from origo.errors import Internal


def configure(*, pretty: bool = False) -> None:
    """Set logging up once, at the start; `pretty` is for people at a terminal."""
    renderer = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def get(part: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of one part of the program."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=part)
    return logger


def unexpected(logger: structlog.typing.FilteringBoundLogger, sentence: str, **facts: Any) -> Internal:
    """What a person sees of the exception that is being handled and that nobody expected: the sentence, and a number.

    Its own text and traceback go to the log alone, under the same number.
    """
    number = uuid.uuid4().hex[:8]
    logger.exception("unexpected error", number=number, **facts)
    return Internal(sentence, hint=f"the engine's log has it under the number {number}", details={"number": number})
