"""Who heard from a journey a short while ago, for one process."""

from __future__ import annotations

from collections.abc import Sequence

from engine.journeys import Cooling
from engine.model import NowMs, PortfolioId, RecipientKey


class MemoryCooldowns:
    """See engine.journeys.Cooldowns."""

    def __init__(self, now_ms: NowMs) -> None:
        self._now_ms = now_ms
        self._running: dict[tuple[PortfolioId, str, RecipientKey], tuple[int, bytes]] = {}

    async def take(
        self,
        portfolio: PortfolioId,
        source: str,
        wishes: Sequence[tuple[RecipientKey, bytes]],
        cooldown_ms: int,
    ) -> list[Cooling]:
        """See Cooldowns.take."""
        now_ms = self._now_ms()
        answers: list[Cooling] = []
        for recipient, key in wishes:
            until_ms, begun_by = self._running.get((portfolio, source, recipient), (0, b""))
            if until_ms <= now_ms:
                self._running[portfolio, source, recipient] = (now_ms + cooldown_ms, key)
                answers.append(Cooling())
            elif key and begun_by == key:
                answers.append(Cooling(is_known=True))
            else:
                answers.append(Cooling(until_ms))
        return answers

    async def give_back(
        self, portfolio: PortfolioId, source: str, recipients: Sequence[RecipientKey]
    ) -> None:
        """See Cooldowns.give_back."""
        for recipient in recipients:
            self._running.pop((portfolio, source, recipient), None)
