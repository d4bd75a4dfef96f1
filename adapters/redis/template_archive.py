"""The sets of templates that imports replaced: the last few of each account, packed."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Sequence
from typing import Any, Final, cast

import msgspec
from redis import RedisError

from adapters.redis.connect import Client
from engine.directory import Template
from engine.errors import LedgerAwayError
from engine.model import WabaId

PREFIX: Final = "ps:registry:kept_templates:"  # + WABA; hash: moment in epoch ms -> packed set
KEPT_MAX: Final = 5

_templates = msgspec.json.Decoder(list[Template])


class TemplateArchive:
    """See engine.template_ports.Archive."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def keep(self, waba: WabaId, at_ms: int, templates: Sequence[Template]) -> None:
        """See Archive.keep."""
        packed = zlib.compress(msgspec.json.encode(list(templates)))
        await _asked(self._client.hset(PREFIX + waba, str(at_ms), packed))
        old = (await self.moments(waba))[KEPT_MAX:]
        if old:
            await _asked(self._client.hdel(PREFIX + waba, *map(str, old)))

    async def moments(self, waba: WabaId) -> list[int]:
        """See Archive.moments."""
        names: list[bytes] = await _asked(self._client.hkeys(PREFIX + waba))
        return sorted(map(int, names), reverse=True)

    async def read(self, waba: WabaId, at_ms: int) -> list[Template] | None:
        """See Archive.read."""
        packed: bytes | None = await _asked(self._client.hget(PREFIX + waba, str(at_ms)))
        return None if packed is None else _templates.decode(zlib.decompress(packed))


async def _asked(call: object) -> Any:  # noqa: ANN401 (redis-py's replies)
    try:
        return await cast("Awaitable[Any]", call)
    except (TimeoutError, RedisError, OSError) as error:
        kind = type(error).__name__
        raise LedgerAwayError(f"the archive of templates does not answer: {kind}") from error
