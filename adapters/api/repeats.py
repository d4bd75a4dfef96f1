"""JSON objects that name a member twice: most readers keep one of them, and not always the same.

https://www.rfc-editor.org/rfc/rfc8259#section-4
"""

from __future__ import annotations

import json
from http import HTTPStatus

from adapters.api.problems import FieldError, Problem

VERBATIM = "message"  # Meta's own body: it is passed on, not judged


class _Members(dict[str, object]):
    """An object, and a name that it gives twice."""

    repeated = ""


def refuse_repeats(body: bytes) -> None:
    """Raise the problem of the first name that is there twice, outside of a message."""
    found = repeated_in(body)
    if found is not None:
        raise Problem(HTTPStatus.BAD_REQUEST, found.detail, code=found.code, errors=[found])


def repeated_in(body: bytes) -> FieldError | None:
    """Return the first name that is there twice; a body that is no JSON has none."""
    found = False

    def members(pairs: list[tuple[str, object]]) -> _Members:
        nonlocal found
        made = _Members(pairs)
        if len(made) < len(pairs):
            found = True
            names = [name for name, _ in pairs]
            made.repeated = next(name for at, name in enumerate(names) if name in names[:at])
        return made

    try:
        whole: object = json.loads(body, object_pairs_hook=members)
    except (ValueError, RecursionError):
        return None  # whoever decodes it says what is wrong with it
    return _first(whole, "") if found else None


def _first(value: object, pointer: str) -> FieldError | None:
    if isinstance(value, _Members):
        if value.repeated:
            name = value.repeated
            detail = f"`{name}` is there twice; keep one of them"
            return FieldError(f"{pointer}/{name}", "repeated_key", detail)
        inside = [(f"{pointer}/{name}", each) for name, each in value.items() if name != VERBATIM]
    elif isinstance(value, list):
        inside = [(f"{pointer}/{place}", each) for place, each in enumerate(value)]
    else:
        return None
    return next((error for at, each in inside if (error := _first(each, at)) is not None), None)
