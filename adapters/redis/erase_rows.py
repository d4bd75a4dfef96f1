"""Forgetting what a person's rows said: kept beside the ledger for the results of campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import exceptions

from adapters.redis import keys
from adapters.redis.connect import Client
from adapters.redis.results import RS
from engine.contents import SEPARATOR
from engine.directory import Directory
from engine.errors import LedgerAwayError
from engine.model import PortfolioId, RecipientKey
from engine.recipients import RecipientKeys, canonical

BATCHES_AT_ONCE = 8  # of up to 500 rows


class RowEraser:
    """Looks through all kept rows of a portfolio's campaigns: its time grows with them."""

    def __init__(self, client: Client, directory: Directory, recipients: RecipientKeys) -> None:
        self._client: Any = client  # redis-py's replies
        self._directory = directory
        self._recipients = recipients

    async def erase(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> None:
        """Empty the rows of these people; places stay, so every other row is found as before.

        LedgerAwayError: a part may be forgotten; the same again forgets the rest.
        """
        campaigns = list(self._directory.campaigns.values())
        wanted = frozenset(recipients)
        for campaign in campaigns:
            if campaign.portfolio_id == portfolio:
                await self._erase(keys.rows(portfolio, campaign.source), wanted)

    async def _erase(self, name: str, wanted: frozenset[RecipientKey]) -> None:
        cursor = -1
        try:
            while cursor:
                cursor, page = await self._client.hscan(name, max(0, cursor), count=BATCHES_AT_ONCE)
                theirs = [
                    field
                    for field, joined in page.items()
                    if joined != self._without(joined, wanted)
                ]
                while theirs and not await self._are_emptied(name, theirs, wanted):
                    pass  # others were: of two who are forgotten at once neither may come back
        except (TimeoutError, exceptions.RedisError, OSError) as error:
            raise LedgerAwayError(f"the rows do not answer: {type(error).__name__}") from error

    async def _are_emptied(
        self, name: str, fields: Sequence[bytes], wanted: frozenset[RecipientKey]
    ) -> bool:
        """Empty rows as they are now; False when any row changed meanwhile: nothing was done."""
        async with self._client.pipeline(transaction=True) as step:
            await step.watch(name)
            page = zip(fields, await step.hmget(name, fields), strict=True)
            rest = {field: self._without(joined, wanted) for field, joined in page if joined}
            step.multi()
            if rest:
                step.hset(name, mapping=rest)
            try:
                await step.execute()
            except exceptions.WatchError:
                return False
        return True

    def _without(self, joined: bytes, wanted: frozenset[RecipientKey]) -> bytes:
        return RS.join(b"" if self._is_of(tail, wanted) else tail for tail in joined.split(RS))

    def _is_of(self, tail: bytes, wanted: frozenset[RecipientKey]) -> bool:
        identity = canonical(tail.partition(SEPARATOR)[0].decode())
        return identity is not None and self._recipients.key(identity) in wanted
