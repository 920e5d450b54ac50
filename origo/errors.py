"""Every error a person can see: a stable code, an HTTP status, a sentence that starts with "cannot", and a hint."""

import re
from typing import Any

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class OrigoError(Exception):
    """An expected failure: shown to a person as a sentence, never as a traceback.

    `message` starts with "cannot" and names the thing; `hint` says what to do, or is empty;
    `details` is plain JSON data for programs.
    """

    code = "failed"
    status = 500

    def __init__(self, message: str, *, hint: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details or {}

    def as_dict(self) -> dict[str, Any]:
        """The one shape of an error: the value of the key `error` in every answer that is one."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "details": self.details}


class BadInput(OrigoError):
    """What was sent is malformed: a wrong type, an unknown field, a value out of range."""

    code = "bad-input"
    status = 400


class NotLoggedIn(OrigoError):
    """There is no valid session or token with the request."""

    code = "not-logged-in"
    status = 401


class Forbidden(OrigoError):
    """The user is known and may not do this."""

    code = "forbidden"
    status = 403


class NotFound(OrigoError):
    """There is no such thing, or it is another user's."""

    code = "not-found"
    status = 404


class WrongMethod(OrigoError):
    """The address is right, and nothing there answers to this method."""

    code = "wrong-method"
    status = 405


class Conflict(OrigoError):
    """The thing is in use, in the wrong state, or its name is taken."""

    code = "conflict"
    status = 409


class QuotaExceeded(OrigoError):
    """The owner's quota does not allow it."""

    code = "quota-exceeded"
    status = 409


class TooLarge(OrigoError):
    """The request or the file is larger than what is taken."""

    code = "too-large"
    status = 413


class BadImage(OrigoError):
    """The file is no image, is damaged, or refers to files outside itself."""

    code = "bad-image"
    status = 422


class TooMany(OrigoError):
    """Too many streams, waits or attempts at once; try again later."""

    code = "too-many"
    status = 429


class Cancelled(OrigoError):
    """A person cancelled the operation."""

    code = "cancelled"
    status = 409


class Internal(OrigoError):
    """Something went wrong that nobody expected; the log has the traceback under the same number."""

    code = "internal"
    status = 500


class Unsupported(OrigoError):
    """The driver or the machine cannot do this at all."""

    code = "unsupported"
    status = 501


class Unavailable(OrigoError):
    """A node, a driver or a service does not answer now."""

    code = "unavailable"
    status = 503


class NoRoom(OrigoError):
    """The pool, the node's memory or an address range is used up."""

    code = "no-room"
    status = 507


class CommandFailed(OrigoError):
    """A command on a host ended with an error; `details` has argv, exit status and the end of its error output."""

    code = "command-failed"
    status = 500


def size(size_bytes: int) -> str:
    """A size as a sentence has it, such as 1.5 GiB."""
    power = min((max(size_bytes, 1).bit_length() - 1) // 10, len(UNITS) - 1)
    return f"{size_bytes / (1 << 10 * power):.1f}".removesuffix(".0") + f" {UNITS[power]}"


def reason(error: Exception) -> str:
    """What a sentence says of an exception of Python's own: the system's words, without its number and names."""
    if isinstance(error, UnicodeError):
        return "it is no UTF-8 text"
    said = isinstance(error, OSError) and error.strerror or str(error) or type(error).__name__
    return re.sub(r"^\[[^]]*\] ", "", said)
