"""`Idempotency-Key` of a POST that queues nothing: done once, and its answer given again for a day.

Jobs, campaigns, uploads and keys have a memory of their own: what the key made is kept there.
"""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from typing import Final, Protocol

import msgspec
from aiohttp import web

from adapters.api.bodies import BODY, read_body
from adapters.api.openapi.described import description_of
from adapters.api.problems import FieldError, Handler, Problem, problem_of
from adapters.api.walls import scope
from engine.errors import EngineError

KEY: Final = "Idempotency-Key"
KEY_MAX: Final = 255
ANSWER_MAX: Final = 2**18  # bytes; a longer one is not kept, and the call is made again
_pack: Final = msgspec.msgpack.encode
UNKNOWN: Final = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY)  # maybe it was done


class Answer(msgspec.Struct, array_like=True):
    """What was asked under a key and, once that is over, what was answered."""

    asked: bytes
    status: int = 0  # 0 while it is under way, and for good where nobody knows how it ended
    kind: str = ""
    body: bytes = b""


_unpack: Final = msgspec.msgpack.Decoder(Answer).decode


class Answers(Protocol):
    """The answers that were given under keys, packed. All raise LedgerError."""

    async def begin(self, name: str, asked: bytes) -> bytes | None:
        """Note that a call is under way; where one is known by this name, return it instead.

        Empty where there is one that cannot be read any more.
        """
        ...

    async def keep(self, name: str, answer: bytes) -> None:
        """Keep an answer for a day."""
        ...

    async def forget(self, name: str) -> None:
        """Forget a call: nothing was done."""
        ...


def is_asked_once(request: web.Request, handler: object) -> bool:
    """Return whether a call names a key that the handler itself does not look at."""
    told = description_of(handler)
    if request.method != "POST" or told is None or KEY not in request.headers:
        return False
    return KEY not in told.headers and not told.files


async def once(answers: Answers, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a call as it was answered under the same key before, or make it."""
    name = _name(request)
    body = request[BODY] = await read_body(request)
    asked = Answer(blake2b(body, digest_size=16).digest())
    known = await answers.begin(name, _pack(asked))
    if known is not None:
        return _again(_unpack(known) if known else asked, asked)
    try:
        response = await handler(request)
    except Problem as problem:
        await _unless_unknown(answers, name, problem)
        raise
    except EngineError as error:
        await _unless_unknown(answers, name, problem_of(error))
        raise
    content = response.body if isinstance(response, web.Response) else None
    if isinstance(content, bytes) and len(content) <= ANSWER_MAX:
        kept = Answer(asked.asked, response.status, response.content_type, content)
        await answers.keep(name, _pack(kept))
    else:
        await answers.forget(name)
    return response


async def _unless_unknown(answers: Answers, name: str, problem: Problem) -> None:
    """Forget a call that was refused: sent again it may be taken."""
    if problem.status not in UNKNOWN:
        await answers.forget(name)


def _again(known: Answer, asked: Answer) -> web.Response:
    if known.asked != asked.asked:
        raise _conflict("conflict", "was used for another body; use a fresh key for another call")
    if not known.status:
        detail = (
            "is that of a call that is under way, or that broke off: look what became of it, and "
            "use a fresh key to make it anew"
        )
        raise _conflict("under_way", detail)
    return web.Response(status=known.status, body=known.body, content_type=known.kind)


def _conflict(code: str, detail: str) -> Problem:
    wrong = FieldError(f"/{KEY}", code, detail)
    return Problem(HTTPStatus.CONFLICT, f"{KEY} {detail}", code=code, errors=[wrong])


def _name(request: web.Request) -> str:
    """Return the name of a call: two portfolios, or two paths, may choose the same key."""
    key = request.headers[KEY]
    if len(key) > KEY_MAX:
        wrong = FieldError(f"/{KEY}", "too_long", f"a key has at most {KEY_MAX} characters")
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        raise Problem(status, wrong.detail, code=wrong.code, errors=[wrong])
    caller = scope()
    named = (caller.portfolio if caller else "", request.path_qs, key)
    digest = blake2b(digest_size=16)
    for part in named:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()
