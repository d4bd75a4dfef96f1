"""The OpenAPI 3.1 document of an application, made from its routes and the types they use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

import msgspec
from aiohttp import web

from adapters.api.openapi.answers import ProblemDetails
from adapters.api.openapi.described import Description, description_of, role_of
from adapters.api.problems import PROBLEM_JSON

REF: Final = "#/components/schemas/{name}"
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
KEYED: Final = (400, 401, 403, 422, 500, 503)  # what every route that needs a key may refuse with
NAMED: Final = (404,)  # and one with a name in its path
ONCE: Final = (400, 408, 409, 413, 415)  # a POST of JSON: its body is read for an Idempotency-Key
BODIED: Final = (400, 408, 413, 415, 422)  # and one with a body
PROBLEMS: Final = (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 501, 502, 503)
PARTIAL: Final = (400, 401, 408, 409, 422, 429, 503)  # may come when a body was half read
SECURITY: Final = "key"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
HEADERS: Final[Mapping[str, dict[str, Any]]] = {
    IDEMPOTENCY_KEY: {
        "description": "the same call again under the same key adds nothing",
        "schema": {"type": "string", "maxLength": 255},
    },
    "Penstock-Priority": {
        "schema": {"enum": ["authentication", "service", "utility", "marketing"]},
    },
    "Penstock-Delivery": {"schema": {"enum": ["at_most_once", "at_least_once"]}},
    "Penstock-Not-Before": {"schema": {"type": "string", "format": "date-time"}},
    "Penstock-Expires-At": {"schema": {"type": "string", "format": "date-time"}},
    "Penstock-Source": {
        "description": "campaign:ID, journey:ID or direct:ID",
        "schema": {
            "type": "string",
            "pattern": r"^(campaign|journey|direct):[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}$",
        },
    },
    "Upload-Offset": {
        "description": "bytes of the file that were taken before: the body is what follows them",
        "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999},
    },
    "traceparent": {
        "description": "W3C Trace Context; kept with each job; one that is malformed is ignored",
        "schema": {"type": "string"},
    },
    "Content-Encoding": {"schema": {"enum": ["identity", "gzip"]}},
    "X-Hub-Signature-256": {"schema": {"type": "string", "pattern": "^sha256=[0-9a-f]{64}$"}},
}
_GROUP = re.compile(r"\(\?P<(\w+)>")

UNSHOWN: Final = ("HEAD", "*")

Operation = tuple[str, str]  # method and path, as in the document


def operations_of(router: web.UrlDispatcher) -> dict[Operation, web.AbstractRoute]:
    """Return every route of an application.

    HEAD comes with its GET and is left out, and so is what answers every method alike: it is there
    to say that nothing is there.
    """
    return {
        (route.method, route.resource.canonical): route
        for route in router.routes()
        if route.resource is not None and route.method not in UNSHOWN
    }


def document_of(
    router: web.UrlDispatcher, more: Mapping[Operation, Description] | None = None
) -> dict[str, Any]:
    """Return the document; `more` describes routes of other rooms, which know nothing of ours."""
    routes = operations_of(router)
    told = {name: _told(route, name, more or {}) for name, route in routes.items()}
    kinds = [ProblemDetails, *(kind for each in told.values() for kind in _kinds_of(each))]
    schemas, components = msgspec.json.schema_components(
        kinds, schema_hook=_anything, ref_template=REF
    )
    shown = {repr(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), route in routes.items():
        operation = _operation(method, path, route, told[method, path], shown)
        paths.setdefault(path, {})[method.lower()] = operation
    problem = shown[repr(ProblemDetails)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Penstock",
            "version": version("penstock"),
            "description": "Lets through exactly as much WhatsApp as the platform can take.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                _name_of(status): _answer(status, PROBLEM_JSON, problem) for status in PROBLEMS
            },
            "securitySchemes": {SECURITY: {"type": "http", "scheme": "bearer"}},
        },
    }


def undescribed(
    router: web.UrlDispatcher, more: Mapping[Operation, Description] | None = None
) -> list[Operation]:
    """Return the routes that nobody described, and the descriptions of what is no route."""
    routes = operations_of(router)
    described = more or {}
    bare = [
        name
        for name, route in routes.items()
        if name not in described and description_of(route.handler) is None
    ]
    return bare + [name for name in described if name not in routes]


def _told(
    route: web.AbstractRoute, name: Operation, more: Mapping[Operation, Description]
) -> Description:
    return more.get(name) or description_of(route.handler) or Description(summary="")


def _kinds_of(told: Description) -> Iterator[object]:
    for kind in (
        told.takes,
        told.lines,
        told.problem,
        told.partial,
        told.query,
        *(each for given in told.gives.values() for each in _each(given)),
    ):
        if kind is not None:
            yield kind


def _each(kind: object) -> tuple[object, ...]:
    return kind if isinstance(kind, tuple) else (kind,)


def _schema(kind: object, shown: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    schemas = [shown[repr(each)] for each in _each(kind)]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _operation(
    method: str,
    path: str,
    route: web.AbstractRoute,
    told: Description,
    shown: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    role = role_of(route.handler) or told.role
    operation: dict[str, Any] = {
        "operationId": "_".join([method.lower(), *re.findall(r"[A-Za-z0-9]+", path)]),
        "summary": told.summary,
        "tags": [(re.findall(r"[a-z][a-z-]+", path) or ["api"])[0]],
        "security": [] if role is None else [{SECURITY: [role.value]}],
    }
    headers = [*told.headers]
    is_done_once = role is not None and method == "POST" and not told.problem and not told.files
    if is_done_once and IDEMPOTENCY_KEY not in headers:
        headers.append(IDEMPOTENCY_KEY)
    parameters = [*_in_path(route, path), *_in_query(told, shown), *_in_headers(headers)]
    if parameters:
        operation["parameters"] = parameters
    content = _content_taken(told, shown)
    if content:
        operation["requestBody"] = {"required": not told.is_optional, "content": content}
    refused = {
        *(told.refuses),
        *(KEYED if role is not None and not told.problem else ()),
        *(NAMED if role is not None and "{" in path and not told.problem else ()),
        *(BODIED if content and not told.problem else ()),
        *(ONCE if is_done_once else ()),
    }
    operation["responses"] = {
        **{str(status): _refusal(status, told, shown) for status in sorted(refused)},
        **{
            str(status): _given(status, _schema(kind, shown)) for status, kind in told.gives.items()
        },
        **{
            str(status): _answer(status, text, {"type": "string"})
            for status, text in told.gives_text.items()
        },
    }
    if not told.summary:  # a test names it; until then the document stays sound
        operation["responses"]["default"] = {"description": "not described yet"}
    if told.lines is not None:
        accepted = operation["responses"][str(int(HTTPStatus.ACCEPTED))]
        accepted["content"][NDJSON] = {"schema": {"type": "string"}}
    return operation


def _refusal(status: int, told: Description, shown: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if told.problem is not None:
        return _answer(status, JSON, shown[repr(told.problem)])
    assert status in PROBLEMS, f"add {status} to PROBLEMS"
    if told.partial is not None and status in PARTIAL:
        answer = _answer(status, PROBLEM_JSON, shown[repr(ProblemDetails)])
        answer["content"][JSON] = {"schema": shown[repr(told.partial)]}
        return answer
    return {"$ref": f"#/components/responses/{_name_of(status)}"}


def _name_of(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "").replace("-", "")


def _given(status: int, schema: dict[str, Any]) -> dict[str, Any]:
    return _answer(status, JSON, schema)


def _answer(status: int, media: str, schema: dict[str, Any]) -> dict[str, Any]:
    phrase = HTTPStatus(status).phrase
    if status == HTTPStatus.NO_CONTENT:
        return {"description": phrase}
    answer: dict[str, Any] = {"description": phrase, "content": {media: {"schema": schema}}}
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        seconds = {"description": "seconds to wait", "schema": {"type": "string"}}
        answer["headers"] = {"Retry-After": seconds}
    return answer


def _content_taken(told: Description, shown: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if told.takes is not None:
        content[JSON] = {"schema": shown[repr(told.takes)]}
    if told.lines is not None:
        line = shown[repr(told.lines)]
        name = line.get("$ref", "").rpartition("/")[2]
        detail = f"one {name} as JSON a line"
        content[NDJSON] = {"schema": {"type": "string", "description": detail}}
    for media in told.files:
        content[media] = {"schema": {"type": "string"}}
    return content


def _in_path(route: web.AbstractRoute, path: str) -> Iterator[dict[str, Any]]:
    resource = route.resource
    compiled = resource.get_info().get("pattern") if resource is not None else None
    patterns = patterns_of(compiled.pattern) if compiled is not None else {}
    for name in re.findall(r"\{(\w+)\}", path):
        schema = {"type": "string", "minLength": 1, "pattern": f"^(?:{patterns[name]})$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def patterns_of(pattern: str) -> dict[str, str]:
    r"""Return what each named group of a path's pattern takes.

    >>> patterns_of(r"/v1/(?P<id>[0-9]{1,32})/(?P<name>[a-z]+(?:_[a-z]+)?)")
    {'id': '[0-9]{1,32}', 'name': '[a-z]+(?:_[a-z]+)?'}
    """
    found: dict[str, str] = {}
    for group in _GROUP.finditer(pattern):
        depth, end = 1, group.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(pattern[end], 0)
            end += 1
        found[group.group(1)] = pattern[group.end() : end - 1]
    return found


def _in_query(told: Description, shown: Mapping[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if told.query is None:
        return
    assert isinstance(told.query, type)
    assert issubclass(told.query, msgspec.Struct)
    del shown
    for each in msgspec.structs.fields(told.query):
        schema = msgspec.json.schema(each.type, schema_hook=_anything)
        yield {"name": each.encode_name, "in": "query", "required": each.required, "schema": schema}


def _in_headers(headers: Iterable[str]) -> Iterator[dict[str, Any]]:
    for name in headers:
        yield {"name": name, "in": "header", **HEADERS[name]}


def _anything(_kind: type) -> dict[str, Any]:
    """Return the schema of what we pass on as it is."""
    return {"description": "any JSON"}
