"""`/v1/keys`: who may call, with which role, and for which portfolio."""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web

from adapters.api.bodies import Strict, read_json, rfc3339
from adapters.api.front import Front, as_json, make_key
from adapters.api.openapi.answers import KeysAnswer, MadeKeyAnswer
from adapters.api.openapi.described import described
from adapters.api.problems import FieldError, Problem
from adapters.api.walls import scope
from engine.directory import ApiKey, Role
from engine.errors import UnknownNameError


class KeyBody(Strict):
    """A key to make; with a portfolio it sees and changes nothing else."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    role: Role = Role.SEND
    portfolio: str | None = None


class KeyRoutes:
    """The routes of `/v1/keys`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_post("/v1/keys", may(Role.ADMIN, self._post))
        router.add_get("/v1/keys", may(Role.ADMIN, self._list))
        router.add_delete("/v1/keys/{id}", may(Role.ADMIN, self._delete))

    @described(
        "Make a key; it is shown this once",
        takes=KeyBody,
        gives=MadeKeyAnswer,
        status=HTTPStatus.CREATED,
        refuses=(409,),
        headers=("Idempotency-Key",),
    )
    async def _post(self, request: web.Request) -> web.Response:
        body = await read_json(request, KeyBody)
        caller = scope()
        portfolio = body.portfolio or (caller.portfolio if caller else "")
        if portfolio and portfolio not in self._front.registry.directory.portfolios:
            detail = "is no portfolio we know; add it with penstock portfolio add"
            wrong = FieldError("/portfolio", "unknown_portfolio", detail)
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code=wrong.code, errors=[wrong])
        key_id = key_id_of(request.headers.get("Idempotency-Key", ""))
        token, key = make_key(body.name, body.role, self._front.now_ms(), portfolio, key_id)

        def made(known: ApiKey | None) -> ApiKey:
            """Make one key under one Idempotency-Key: the first was shown and is not kept."""
            if known is not None:
                detail = (
                    f"made key {key_id} before, which was shown then and is not kept: "
                    "revoke it and make another one if it was lost"
                )
                wrong = FieldError("/Idempotency-Key", "conflict", detail)
                raise Problem(HTTPStatus.CONFLICT, detail, code=wrong.code, errors=[wrong])
            return key

        await self._front.registry.change(ApiKey, key.id, made)
        return as_json(shown_key(key) | {"key": token}, HTTPStatus.CREATED)

    @described("All keys, without their secrets", gives=KeysAnswer)
    async def _list(self, _request: web.Request) -> web.Response:
        keys = self._front.registry.directory.api_keys.values()
        return as_json({"keys": [shown_key(each) for each in keys]})

    @described(
        "Revoke a key: in force everywhere within 5 s",
        gives_text={204: ""},
        refuses=(409,),
    )
    async def _delete(self, request: web.Request) -> web.Response:
        keys = self._front.registry.directory.api_keys

        def revoked(key: ApiKey | None) -> None:
            if key is None:
                raise UnknownNameError("there is no such key")
            if scope() is None and [each for each in keys.values() if _opens_all(each)] == [key]:
                detail = "is the last admin key of all portfolios; make another one first"
                raise Problem(HTTPStatus.CONFLICT, detail, code="last_key")

        name = request.match_info["id"]
        await self._front.registry.change(ApiKey, name, revoked, alone=True)
        return web.Response(status=HTTPStatus.NO_CONTENT)


def key_id_of(idempotency_key: str) -> str:
    """Return the id of the key that an Idempotency-Key makes; empty without one."""
    if not idempotency_key:
        return ""
    caller = scope()  # two portfolios may choose the same and mean two keys
    named = f"{caller.portfolio if caller else ''}/{idempotency_key}"
    return blake2b(named.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()


def _opens_all(key: ApiKey) -> bool:
    return key.role is Role.ADMIN and not key.portfolio


def shown_key(key: ApiKey) -> dict[str, object]:
    """Return a key for the outside: without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "portfolio": key.portfolio or None,
        "created_at": rfc3339(key.created_at_ms),
    }
