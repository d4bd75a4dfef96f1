"""`/v1/keys`: who may call."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web

from adapters.api.bodies import Strict, read_json, rfc3339
from adapters.api.front import Front, as_json, make_key
from adapters.api.openapi.answers import KeysAnswer, MadeKeyAnswer
from adapters.api.openapi.described import described
from engine.directory import ApiKey, Role


class KeyBody(Strict):
    """A key to make."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    role: Role = Role.SEND


class KeyRoutes:
    """The routes of `/v1/keys`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_post("/v1/keys", self._front.may(Role.ADMIN, self._post))
        router.add_get("/v1/keys", self._front.may(Role.ADMIN, self._list))

    @described(
        "Make a key; it is shown this once",
        takes=KeyBody,
        gives=MadeKeyAnswer,
        status=HTTPStatus.CREATED,
    )
    async def _post(self, request: web.Request) -> web.Response:
        body = await read_json(request, KeyBody)
        token, key = make_key(body.name, body.role, self._front.now_ms())
        await self._front.registry.put(key)
        return as_json(shown_key(key) | {"key": token}, HTTPStatus.CREATED)

    @described("All keys, without their secrets", gives=KeysAnswer)
    async def _list(self, _request: web.Request) -> web.Response:
        keys = self._front.registry.directory.api_keys.values()
        return as_json({"keys": [shown_key(each) for each in keys]})


def shown_key(key: ApiKey) -> dict[str, object]:
    """Return a key for the outside: without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "portfolio": None,
        "created_at": rfc3339(key.created_at_ms),
    }
