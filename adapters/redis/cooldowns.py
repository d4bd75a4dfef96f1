"""Who heard from a journey a short while ago: one key a person, gone when the cooldown is over."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.scripts import Client
from engine.journeys import Cooling
from engine.model import NowMs, PortfolioId, RecipientKey

MOMENT = 8  # bytes of a value: until when, then the key of the job that began it


class RedisCooldowns:
    """See engine.journeys.Cooldowns; all processes share it, and of two only one is first."""

    def __init__(self, client: Client, now_ms: NowMs) -> None:
        self._client = client
        self._now_ms = now_ms

    async def take(
        self,
        portfolio: PortfolioId,
        source: str,
        wishes: Sequence[tuple[RecipientKey, bytes]],
        cooldown_ms: int,
    ) -> list[Cooling]:
        """See Cooldowns.take."""
        now_ms = self._now_ms()
        until = (now_ms + cooldown_ms).to_bytes(MOMENT, "big")
        names = [keys.cooldown(portfolio, source, recipient) for recipient, _ in wishes]
        pipeline = self._client.pipeline(transaction=False)
        for name, (_, key) in zip(names, wishes, strict=True):
            pipeline.set(name, until + key, px=cooldown_ms, nx=True, get=True)
        held: list[bytes | None] = await reply_to(pipeline.execute())
        answers: list[Cooling] = []
        for value, (_, key) in zip(held, wishes, strict=True):
            until_ms = int.from_bytes(value[:MOMENT], "big") if value else 0
            if value and key and value[MOMENT:] == key:
                answers.append(Cooling(is_known=True))
            else:
                answers.append(Cooling(until_ms if until_ms > now_ms else 0))
        return answers

    async def give_back(
        self, portfolio: PortfolioId, source: str, recipients: Sequence[RecipientKey]
    ) -> None:
        """See Cooldowns.give_back."""
        names = [keys.cooldown(portfolio, source, recipient) for recipient in recipients]
        await reply_to(self._client.delete(*names))
