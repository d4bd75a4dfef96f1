"""How far uploads of recipients came, so that one that was cut is taken up where it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, cast

from redis import exceptions

from adapters.redis import keys
from adapters.redis.scripts import Client
from engine.errors import LedgerAwayError
from engine.model import PortfolioId

KEPT_MS = 86_400_000  # after the last piece
HOLDER = b"holder"
STATE = b"state:"  # and its holder's name: who lost the upload writes where nobody reads


class RedisUploads:
    """A hash for each upload: who takes it now, and how far it came."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, portfolio: PortfolioId, source: str, name: str) -> bytes | None:
        """Return how far an upload came, as it was noted; None when nobody knows it."""
        return _state(await self._fields(portfolio, source, name))

    async def take(
        self, portfolio: PortfolioId, source: str, name: str, holder: str
    ) -> bytes | None:
        """Make `holder` the one who takes an upload from now on; return how far it came."""
        state = _state(await self._fields(portfolio, source, name))
        key = keys.upload(portfolio, source, name)
        mine = {STATE + holder.encode(): state or b"", HOLDER: holder.encode()}
        pipeline = self._client.pipeline(transaction=True)
        pipeline.delete(key)
        pipeline.hset(key, mapping=cast("Any", mine))
        pipeline.pexpire(key, KEPT_MS)
        await self._asked(pipeline.execute())
        return state

    async def note(
        self, portfolio: PortfolioId, source: str, name: str, holder: str, state: bytes
    ) -> bool:
        """Note how far an upload came; whether `holder` still is the one who takes it."""
        key = keys.upload(portfolio, source, name)
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hget(key, HOLDER)
        pipeline.hset(key, STATE + holder.encode(), state)
        pipeline.pexpire(key, KEPT_MS)
        now_held, *_ = await self._asked(pipeline.execute())
        return bool(now_held == holder.encode())

    async def _fields(
        self, portfolio: PortfolioId, source: str, name: str
    ) -> Mapping[bytes, bytes]:
        found: Mapping[bytes, bytes] = await self._asked(
            self._client.hgetall(keys.upload(portfolio, source, name))
        )
        return found

    async def _asked(self, call: object) -> Any:  # noqa: ANN401 (redis-py's replies)
        try:
            return await cast("Awaitable[Any]", call)
        except (TimeoutError, exceptions.RedisError, OSError) as error:
            raise LedgerAwayError(f"uploads do not answer: {type(error).__name__}") from error


def _state(fields: Mapping[bytes, bytes]) -> bytes | None:
    return fields.get(STATE + fields.get(HOLDER, b"")) or None
