"""What things may be called, and how texts must be written: checked once, at the edge."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Written:
    """A text that is wholly of this pattern; people are told in words what it must be."""

    pattern: str
    must: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}

    def _checked(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"it must be {self.must}")
        return text


Name = Annotated[
    str,
    Written(
        r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}",
        "1 to 63 letters, digits, dots, dashes or underscores, the first a letter or digit",
    ),
]
"""The name of a server, an image, a stack, a network or a pool, as API models have it."""


def host_name(name: str) -> str:
    """What DHCP and DNS call a server of that name: lower case letters, digits and dashes only."""
    plain = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
    return plain[:63].strip("-") or "server"
