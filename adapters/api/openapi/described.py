"""A description beside each handler: what it takes, gives and refuses, in the types it uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

from engine.directory import Role

DESCRIPTION: Final = "penstock_description"
ROLE: Final = "penstock_role"
WISHES: Final = (
    *("Idempotency-Key", "Penstock-Priority", "Penstock-Delivery"),
    *("Penstock-Not-Before", "Penstock-Expires-At", "Penstock-Source"),
    "traceparent",
)
"""The headers of a send in Meta's shape."""

Handled = TypeVar("Handled", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Description:
    """One operation; types are msgspec's, None is no JSON."""

    summary: str
    takes: object = None  # the type of a JSON body
    is_optional: bool = False  # whether the body may be left out
    lines: object = None  # the type of one NDJSON line of a body
    files: tuple[str, ...] = ()  # other media types of a body
    gives: Mapping[int, object] = field(default_factory=dict[int, object])  # status -> type(s)
    gives_text: Mapping[int, str] = field(default_factory=dict[int, str])  # status -> media type
    refuses: tuple[int, ...] = ()  # statuses beside those that every such route has
    problem: object = None  # the type of a refusal, where it is not RFC 9457's
    query: object = None  # a struct, a field for each parameter
    headers: tuple[str, ...] = ()  # names in document.HEADERS
    partial: object = None  # what a refusal in the middle of a body tells: done so far
    is_harmless_again: bool = True  # whether it may be made twice where nobody knows how it ended
    role: Role | None = None  # where the handler itself asks for the key


def described(
    summary: str,
    *,
    takes: object = None,
    gives: object = None,
    status: HTTPStatus = HTTPStatus.OK,
    **more: Any,  # noqa: ANN401 (the fields of Description)
) -> Callable[[Handled], Handled]:
    """Put a description on a handler, for `/openapi.json`; `gives` is the answer's type.

    A tuple of types is any of them.

    Errors that every route of its kind has are added where the document is made: 401, 403, 422 and
    503 for one that needs a key, 404 for one with a name in its path, 400, 408, 413, 415 and 422
    for one with a body. Name only others in `refuses`.
    """
    answers = {} if gives is None else {int(status): gives}
    description = Description(summary, takes=takes, gives=answers | more.pop("also", {}), **more)

    def put(handler: Handled) -> Handled:
        vars(handler)[DESCRIPTION] = description
        return handler

    return put


def description_of(handler: object) -> Description | None:
    """Return what was put on a handler, also through a wrapper made with functools.wraps."""
    found = getattr(handler, DESCRIPTION, None)
    return found if isinstance(found, Description) else None


def role_of(handler: object) -> Role | None:
    """Return the role a handler asks for; None when it is open to all."""
    found = getattr(handler, ROLE, None)
    return found if isinstance(found, Role) else None
