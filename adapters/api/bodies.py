"""Bodies: bounded, not too deep, of the right types, with the place of every fault."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, TypeVar

import msgspec
from aiohttp import web

from adapters.api.patience import pieces_in_time
from adapters.api.problems import FieldError, Problem
from adapters.api.repeats import refuse_repeats

JSON_MAX = 2**20  # bytes of one JSON body
BULK_MAX = 8 * 2**20  # bytes of an array of jobs
DEPTH_MAX = 32
BODY = web.RequestKey("body", bytes)  # of a request: its body, where somebody read it before
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}$"
ALIAS = r"^[A-Za-z0-9_.\-]{0,64}$"
CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
NAME_PATTERN = re.compile(NAME)
NAME_DETAIL = (
    "an id has letters, digits, `_`, `.` and `-`, begins with one of the first, and has at most 128"
)

Name = Annotated[str, msgspec.Meta(pattern=NAME)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Message = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        extra_json_schema={
            "type": "object",
            "description": "a Cloud API message as Meta has it, without its recipient",
        }
    ),
]
T = TypeVar("T")

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_PLACE = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
WRONG_VALUE = "Invalid enum value"
MOMENT_RULE = "must be RFC 3339 with a time zone, such as 2026-12-01T09:00:00Z"
PLAIN_WORDS = {  # what msgspec says, for whoever does not know Python
    "Expected `datetime` with a timezone component": MOMENT_RULE,
    "Invalid RFC3339 encoded datetime": MOMENT_RULE,
    "Input data was truncated": "the JSON ends too early, or `\\ud800` or the like stands alone",
}
PATTERNS = {  # the same for the rules that texts must fit
    repr(NAME): NAME_DETAIL,
    repr(ALIAS): "an alias has letters, digits, `_`, `.` and `-`, and at most 64 of them",
    repr(CLOCK): "must be a time of the day from 00:00 to 23:59",
}
_PATTERN = re.compile(r"matching regex (.*)$")
_STEP = re.compile(r"\[(\d+)\]|\.([^.\[]+)|\[\.\.\.\]")


class Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A body in which every field has to be one we know."""


def id_in(
    request: web.Request, pattern: re.Pattern[str] = NAME_PATTERN, detail: str = NAME_DETAIL
) -> str:
    """Return the id that a path makes; raise the problem of one that nothing can be called by."""
    name = request.match_info["id"]
    if pattern.fullmatch(name) is None:
        wrong = FieldError("/id", "invalid", detail)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code="invalid", errors=[wrong])
    return name


async def read_body(request: web.Request, most: int = JSON_MAX) -> bytes:
    """Return the body; 413 when it is longer, 415 when it is encoded."""
    if BODY in request:
        return request[BODY]
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        detail = "send this body without Content-Encoding; only uploads may be gzip"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    if (request.content_length or 0) > most:
        raise _too_long(most)
    parts, length = [], 0
    async for part in pieces_in_time(request, 2**16):
        length += len(part)
        if length > most:
            raise _too_long(most)
        parts.append(part)
    return b"".join(parts)


async def read_json(
    request: web.Request, kind: type[T], most: int = JSON_MAX, *, is_verbatim: bool = False
) -> T:
    """Return the body as `kind`; 400 when it is no JSON, 422 when it is another kind of JSON.

    A name that is there twice is refused, too, unless the body is passed on as it is.
    """
    body = await read_body(request, most) or b"{}"
    check_depth(body)
    if not is_verbatim:
        refuse_repeats(body)
    return decode(body, kind)


def decode(body: bytes, kind: type[T], at: str = "") -> T:
    """Return JSON as `kind`, or raise a problem whose pointer is `at` and the place in it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        shown = field_error_of(error, kind, at)
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, shown.detail, code=shown.code, errors=[shown]
        ) from error
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        detail = f"the body is not JSON: {_plain(error)}"
        code = "too_deep" if isinstance(error, RecursionError) else "malformed"
        raise Problem(HTTPStatus.BAD_REQUEST, detail, code=code) from error


def field_error_of(error: Exception, kind: object, at: str = "") -> FieldError:
    """Return msgspec's complaint with a JSON pointer, and a suggestion for an unknown field."""
    text = str(error)
    place = _PLACE.search(text)
    pointer = at + (_pointer(place.group(1)) if place else "")
    detail = text[: place.start()] if place else text
    detail = PLAIN_WORDS.get(detail, detail)
    unknown = _UNKNOWN.search(detail)
    if detail.startswith(WRONG_VALUE):  # it repeats the value, which may be a person's number
        allowed = _values_of(kind, pointer.rpartition("/")[2])
        detail = f"must be one of {', '.join(allowed)}" if allowed else WRONG_VALUE
    pattern = _PATTERN.search(detail)
    if pattern is not None:
        detail = PATTERNS.get(pattern.group(1), detail)
    if (missing := _MISSING.search(detail)) is not None:
        name = missing.group(1)
        return FieldError(f"{pointer}/{name}", "missing", f"`{name}` is missing; give it")
    if unknown is None:
        return FieldError(pointer, "invalid", detail)
    name = unknown.group(1)
    near = get_close_matches(name, _field_names(kind), n=1)
    hint = f"did you mean `{near[0]}`?" if near else "leave it out"
    return FieldError(f"{pointer}/{name}", "unknown_field", f"unknown field `{name}`; {hint}")


def check_depth(body: bytes) -> None:
    """Refuse JSON that is nested deeper than DEPTH_MAX, before anything parses it."""
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return
    depth = 0
    for found in _BRACKETS.finditer(body):
        first = found.group()[:1]
        if first in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                detail = f"the body is nested deeper than {DEPTH_MAX} levels"
                raise Problem(HTTPStatus.BAD_REQUEST, detail, code="too_deep")
        elif first in b"]}":
            depth -= 1


def milliseconds(moment: datetime | None) -> int:
    """Return a moment as the engine counts; 0 when there is none, 1 where it is before 1970.

    >>> milliseconds(datetime(1969, 1, 1, tzinfo=UTC)), milliseconds(None)
    (1, 0)
    """
    return max(1, round(moment.timestamp() * 1000)) if moment else 0


def _pointer(path: str) -> str:
    """Return msgspec's path as a JSON pointer.

    >>> _pointer(".senders[0].name")
    '/senders/0/name'
    """
    return "".join(f"/{number or name or '-'}" for number, name in _STEP.findall(path))


def _field_names(kind: object) -> list[str]:
    """Return the field names of a struct and of the structs inside it."""
    return [field.encode_name for field in _fields_of(kind)]


def _values_of(kind: object, name: str) -> list[str]:
    """Return the texts that a field of this name may be; empty when there is no list of them."""
    todo: list[object] = [each.type for each in _fields_of(kind) if each.encode_name == name]
    values: list[str] = []
    while todo:
        each = todo.pop()
        if isinstance(each, type) and issubclass(each, StrEnum):
            values += [member.value for member in each]
        values += [each] if isinstance(each, str) else []
        todo += getattr(each, "__args__", ())
    return sorted(values)


def _fields_of(kind: object) -> list[msgspec.structs.FieldInfo]:
    """Return the fields of a struct and of the structs inside it."""
    fields: list[msgspec.structs.FieldInfo] = []
    todo, seen = [kind], set[int]()
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            for field in msgspec.structs.fields(each):
                fields.append(field)
                todo.append(field.type)
        todo += getattr(each, "__args__", ())
    return fields


def _plain(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _too_long(most: int) -> Problem:
    detail = f"the body is longer than {most} bytes; upload files as text/csv or NDJSON"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, code="too_long")


def rfc3339(at_ms: int | None) -> str | None:
    """Return a moment as text; None for never and for none.

    >>> rfc3339(1_763_000_000_123)
    '2025-11-13T02:13:20.123Z'
    """
    if not at_ms or at_ms > 253_402_300_799_000:  # noqa: PLR2004 (the year 9999 is datetime's last)
        return None
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
