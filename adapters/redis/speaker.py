"""Which process tells the gauges of the whole deployment: one at a time, so that sums are true."""

from __future__ import annotations

from typing import Final

from adapters.redis.asking import reply_to
from adapters.redis.connect import Client

SPEAKER: Final = "ps:speaker"  # STRING: rank and name of who speaks; it expires by itself
HOLD_MS: Final = 5_000  # who has not said so for this long speaks no more
WORKER: Final = 0
API: Final = 1  # speaks rather than a worker: a look at many portfolios takes no time from sends


class Speaker:
    """Whether this process speaks; `look` is to be called every second.

    While Redis does not answer nothing changes: nobody else can begin to speak then, and what of
    the gauges needs no Redis is told on.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self.rank = WORKER
        self.speaks = False

    async def look(self) -> None:
        """Go on speaking, or begin where nobody does or one of lower rank; LedgerAwayError."""
        mine = f"{self.rank}:{self._name}".encode()
        held: bytes | None = await reply_to(self._client.get(SPEAKER))
        if held == mine:
            self.speaks = bool(await reply_to(self._client.pexpire(SPEAKER, HOLD_MS)))
        elif held is None:
            self.speaks = bool(await reply_to(self._client.set(SPEAKER, mine, nx=True, px=HOLD_MS)))
        elif self._is_below(held):  # of two that see this at once the first one hears it next time
            await reply_to(self._client.set(SPEAKER, mine, px=HOLD_MS))
            self.speaks = True
        else:
            self.speaks = False

    async def leave(self) -> None:
        """Let another one speak at once; LedgerAwayError: within HOLD_MS."""
        if self.speaks:
            self.speaks = False
            await reply_to(self._client.delete(SPEAKER))

    def _is_below(self, held: bytes) -> bool:
        rank, _, name = held.decode(errors="replace").partition(":")
        return name == self._name or (rank.isdigit() and int(rank) < self.rank)
