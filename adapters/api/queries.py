"""The query of a call: parameters that its route has, each once, and words that it knows."""

from __future__ import annotations

from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, Literal, get_args, get_origin

import msgspec
from aiohttp import web

from adapters.api.openapi.described import description_of
from adapters.api.problems import FieldError, Problem


def check_query(request: web.Request, handler: object) -> None:
    """Refuse what the handler's description has no parameter for.

    A misspelt `?portfolio=` would else mean all portfolios, and a misspelt `?dry_run=` a start.
    What is no word of a list, such as a number, its handler reads.
    """
    told = description_of(handler)
    if told is None or not request.query:
        return
    kinds: dict[str, Any] = {}
    if isinstance(told.query, type) and issubclass(told.query, msgspec.Struct):
        kinds = {each.encode_name: each.type for each in msgspec.structs.fields(told.query)}
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


def _unknown(name: str, known: list[str]) -> FieldError:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else "leave it out"
    return FieldError(f"/{name}", "unknown_field", f"is no parameter of this call; {hint}")
