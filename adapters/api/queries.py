"""What a call says beside its path: parameters its route has, and no body where it has none."""

from __future__ import annotations

from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, Final, Literal, get_args, get_origin

import msgspec
from aiohttp import web

from adapters.api.bodies import BODY, read_body
from adapters.api.openapi.described import Description, description_of
from adapters.api.problems import FieldError, Problem

NOTHING: Final = (b"", b"{}", b"null")  # what clients send that always send a body
NO_BODY: Final = "this call takes no body; leave it out"
TO_QUERY: Final = "this call takes no body; write it as a query parameter"


def check_query(request: web.Request, handler: object) -> None:
    """Refuse what the handler's description has no parameter for.

    A misspelt `?portfolio=` would else mean all portfolios, and a misspelt `?dry_run=` a start.
    What is no word of a list, such as a number, its handler reads.
    """
    told = description_of(handler)
    if told is None or not request.query:
        return
    kinds: dict[str, Any] = {each.encode_name: each.type for each in _parameters_of(told)}
    errors: list[FieldError] = []
    for name in dict.fromkeys(request.query):
        given = request.query.getall(name)
        words = get_args(kinds.get(name)) if get_origin(kinds.get(name)) is Literal else given
        if name not in kinds:
            errors.append(_unknown(name, list(kinds)))
        elif len(given) > 1:
            errors.append(FieldError(f"/{name}", "repeated", "is there twice; keep one of them"))
        elif given[0] not in words:
            detail = f"must be one of {', '.join(sorted(words))}"
            errors.append(FieldError(f"/{name}", "invalid", detail))
    if errors:
        detail = f"{errors[0].pointer.removeprefix('/')}: {errors[0].detail}"
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        raise Problem(status, detail, code=errors[0].code, errors=errors)


async def refuse_body(request: web.Request, handler: object) -> None:
    """Refuse what a POST that takes no body is told in one: a `dry_run` there would be a start."""
    told = description_of(handler)
    if told is None or request.method != "POST" or not request.body_exists:
        return
    if told.takes is not None or told.lines is not None or told.files:
        return
    body = request[BODY] = await read_body(request)
    if body.strip() in NOTHING:
        return
    try:
        names = [*msgspec.json.decode(body, type=dict[str, object])]
    except (msgspec.MsgspecError, RecursionError, ValueError):
        names = []
    parameters = {each.encode_name for each in _parameters_of(told)}
    errors = [
        FieldError(f"/{name}", "unknown_field", TO_QUERY if name in parameters else NO_BODY)
        for name in names
    ] or [FieldError("", "unknown_field", NO_BODY)]
    detail = f"{errors[0].pointer.removeprefix('/')}: {errors[0].detail}".removeprefix(": ")
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    raise Problem(status, detail, code="unknown_field", errors=errors)


def _parameters_of(told: Description) -> tuple[msgspec.structs.FieldInfo, ...]:
    if isinstance(told.query, type) and issubclass(told.query, msgspec.Struct):
        return msgspec.structs.fields(told.query)
    return ()


def _unknown(name: str, known: list[str]) -> FieldError:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else "leave it out"
    return FieldError(f"/{name}", "unknown_field", f"is no parameter of this call; {hint}")
