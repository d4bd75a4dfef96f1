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
from engine.errors import EngineError, ProviderRefusedError

KEY: Final = "Idempotency-Key"
KEY_MAX: Final = 255
ANSWER_MAX: Final = 2**18  # bytes; a longer one is not kept, and the call is made again
_pack: Final = msgspec.msgpack.encode
UNKNOWN: Final = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY)  # maybe it was done
UNDER_WAY_MS: Final = 3_600_000  # no call takes so long: whoever made it is gone
HARMLESS_MS: Final = 60_000  # of a call that may be made again: what a dead process holds up
AGAIN_S: Final = 1  # until somebody may ask what became of a call under way


class Answer(msgspec.Struct, array_like=True):
    """What was asked under a key and, once that is over, what was answered."""

    asked: bytes
    status: int = 0  # 0 while it is under way; one of UNKNOWN where nobody knows how it ended
    kind: str = ""
    body: bytes = b""


_unpack: Final = msgspec.msgpack.Decoder(Answer).decode


class Answers(Protocol):
    """The answers that were given under keys, packed. All raise LedgerError."""

    async def begin(self, name: str, asked: bytes, most_ms: int) -> bytes | None:
        """Note that a call is under way, for so long; where one is known by this name, return it.

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
    """Answer a call as it was answered under the same key before, or make it.

    A call that failed has no answer that is kept: the same key makes it anew. Only where that
    could write to a person, or change something at Meta, a second time, and nobody knows whether
    the first did, the key stays taken.
    """
    name = _name(request)
    body = request[BODY] = await read_body(request)
    asked = Answer(blake2b(body, digest_size=16).digest())
    told = description_of(handler)
    is_harmless = told is None or told.is_harmless_again
    held_ms = HARMLESS_MS if is_harmless else UNDER_WAY_MS
    known = await answers.begin(name, _pack(asked), held_ms)
    if known is not None:
        return _again(_unpack(known) if known else asked, asked)
    try:
        response = await handler(request)
    except Exception as error:
        status = _status_of(error)
        if is_harmless or status not in UNKNOWN:
            await answers.forget(name)
        else:
            await answers.keep(name, _pack(Answer(asked.asked, status)))
        raise
    content = response.body if isinstance(response, web.Response) else None
    if isinstance(content, bytes) and len(content) <= ANSWER_MAX:
        kept = Answer(asked.asked, response.status, response.content_type, content)
        await answers.keep(name, _pack(kept))
    else:
        await answers.forget(name)
    return response


def _status_of(error: Exception) -> int:
    """Return with which status a call fails; what Meta or we refused was surely not done."""
    if isinstance(error, ProviderRefusedError):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(error, EngineError):
        error = problem_of(error)
    return error.status if isinstance(error, Problem) else HTTPStatus.INTERNAL_SERVER_ERROR


def _again(known: Answer, asked: Answer) -> web.Response:
    if known.asked != asked.asked:
        raise _conflict("conflict", "was used for another body; use a fresh key for another call")
    if not known.status:
        detail = "is that of a call that is under way; send the same request again in a moment"
        raise _conflict("under_way", detail, retry_after_s=AGAIN_S)
    if known.status in UNKNOWN:
        detail = (
            "is that of a call that broke off, and nobody knows whether Meta took it: look what "
            "became of it, and use a fresh key to make it anew"
        )
        raise _conflict("outcome_unknown", detail)
    return web.Response(status=known.status, body=known.body, content_type=known.kind)


def _conflict(code: str, detail: str, *, retry_after_s: int = 0) -> Problem:
    wrong = FieldError(f"/{KEY}", code, detail)
    status, said = HTTPStatus.CONFLICT, f"{KEY} {detail}"
    return Problem(status, said, code=code, errors=[wrong], retry_after_s=retry_after_s)


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
