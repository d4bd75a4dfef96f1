"""Customer service windows as they stand in the slot of a portfolio."""

from __future__ import annotations

from typing import cast

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.model import PortfolioId, RecipientKey, SenderId


class RedisWindows:
    """See engine.inbound.Windows."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def until_ms(
        self, portfolio: PortfolioId, sender: SenderId, recipient: RecipientKey
    ) -> int:
        """See Windows.until_ms."""
        pair = cast("str", f"{sender}:".encode() + recipient)
        return int(await reply_to(self._client.zscore(keys.service(portfolio), pair)) or 0)
