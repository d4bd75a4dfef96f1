"""The sets of templates that imports replaced: the last few of each account, packed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.directory import Template
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
        await reply_to(self._client.hset(PREFIX + waba, str(at_ms), packed))
        old = (await self.moments(waba))[KEPT_MAX:]
        if old:
            await reply_to(self._client.hdel(PREFIX + waba, *map(str, old)))

    async def moments(self, waba: WabaId) -> list[int]:
        """See Archive.moments."""
        names: list[bytes] = await reply_to(self._client.hkeys(PREFIX + waba))
        return sorted(map(int, names), reverse=True)

    async def read(self, waba: WabaId, at_ms: int) -> list[Template] | None:
        """See Archive.read."""
        packed: bytes | None = await reply_to(self._client.hget(PREFIX + waba, str(at_ms)))
        return None if packed is None else _templates.decode(zlib.decompress(packed))
