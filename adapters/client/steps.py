"""The steps of a conversation with the API; whoever has a wire and a clock walks them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import IO, TypeVar
from urllib.parse import quote

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `is_repeatable` says that doing it twice is doing it once."""

    method: str
    path: str
    body: bytes | IO[bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_repeatable: bool = True
    timeout_s: float = 60.0
    into: IO[bytes] | None = None  # a good answer is written here as it comes, not kept


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this long before the next step."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; status 0 is none, and `body` says why. Names of headers are in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


NOTHING = Answer(0)  # what a pause is answered with

Result = TypeVar("Result")
Talk = Generator[Call | Pause, Answer, Result]


def path_of(*parts: str) -> str:
    """Return a path of parts that may hold anything.

    >>> path_of("v1", "campaigns", "a/b")
    '/v1/campaigns/a%2Fb'
    """
    return "/" + "/".join(quote(part, safe="") for part in parts)
