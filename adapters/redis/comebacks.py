"""When the next of the jobs that wait alone comes back, gate by gate."""

from __future__ import annotations

from typing import Final

from adapters.redis.calls import Calls
from adapters.redis.reading import GATES
from adapters.redis.scripts import Argument, Scripts
from engine.model import Gate, NowMs, PortfolioId

LOOKED_AT: Final = 1_000  # jobs: some milliseconds of the server


class RedisComebacks:
    """See engine.books.Comebacks."""

    def __init__(self, scripts: Scripts, calls: Calls, now_ms: NowMs) -> None:
        self._scripts = scripts
        self._calls = calls
        self._now_ms = now_ms

    async def next_ms(
        self, portfolio: PortfolioId, source: str = "", sender: str = ""
    ) -> dict[Gate, int]:
        """See Comebacks.next_ms."""
        wish: list[Argument] = [source, sender, LOOKED_AT]
        call = self._calls.call("comebacks_read", portfolio, self._now_ms(), wish)
        told = (await self._scripts.run([call]))[0]
        return {
            GATES[told[at].decode()]: int(told[at + 1])
            for at in range(0, len(told), 2)
            if told[at].decode() in GATES
        }
