"""Looking after what runs out: leases, doubts, jobs whose time is over; and after lost hints.

A look costs next to nothing where nothing happened: the slot's imprint is as the last rescue left
it, and that rescue told when the next one has work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from random import Random
from zlib import crc32

from engine.delivery import NowUs
from engine.errors import LedgerError
from engine.events import Emit, JobsRescued, LedgerFailed
from engine.imprints import WatchedLedger
from engine.ports import FOREVER_MS
from engine.served import Served, trouble_ms

RESCUE_EVERY_MS = 100  # a lease ends after each claim's, mostly with nothing left to look after
QUIET_TIMES = 30  # a portfolio with nothing to do is looked at this much more rarely
TRUSTED_MS = 600_000  # how long an imprint is believed: a rescue at least this often, come what may
IN_STEP_PART = 2  # of the time between two looks: who is due so soon is looked at along with others


class Caretaker:
    """Has each portfolio rescued when something ran out, and when something happened there."""

    def __init__(
        self,
        *,
        ledger: WatchedLedger,
        now_us: NowUs,
        rng: Random,
        tell: Emit,
        served: Callable[[], Iterable[Served]],
        look_every_ms: int,
        ring: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._now_us = now_us
        self._rng = rng
        self._tell = tell
        self._served = served
        self._look_every_ms = look_every_ms
        self._ring = ring

    async def rescue_forever(self) -> None:
        """Have leases and doubts settled when they run out, and look again every second."""
        while True:
            now_ms = self._now_us() // 1_000
            due, looks, next_ms = self._look_around(now_ms)
            if looks:
                due += await self._changed(looks, now_ms)
            if due:
                await asyncio.gather(*(self._rescue(served) for served in due))
            elif not looks:
                await asyncio.sleep(max(1, next_ms - now_ms) / 1_000)

    def _look_around(self, now_ms: int) -> tuple[list[Served], list[Served], int]:
        """Return whom to rescue, whom to look at, and when the next one is, at most a look away.

        Whoever is due for a look soon is looked at along with who is due for one now.
        """
        due: list[Served] = []
        looks: list[Served] = []
        soon: list[Served] = []
        next_ms = now_ms + self._look_every_ms
        for served in self._served():
            every_ms = self._look_every_ms * (QUIET_TIMES if served.is_quiet else 1)
            look_ms = served.looked_at_ms + every_ms
            rescue_ms = min(served.rescue_at_ms, served.trusted_until_ms)
            at_ms = max(min(look_ms, rescue_ms), served.rescue_not_before_ms)
            if at_ms > now_ms:
                next_ms = min(next_ms, at_ms)
                is_left_alone = served.rescue_not_before_ms > now_ms
                if not is_left_alone and look_ms - every_ms // IN_STEP_PART <= now_ms:
                    soon.append(served)
            elif rescue_ms <= now_ms:
                due.append(served)
            else:
                looks.append(served)
        return due, looks + soon if looks else looks, next_ms

    async def _changed(self, looks: Sequence[Served], now_ms: int) -> list[Served]:
        """Return in which of these something happened, all where nobody can tell."""
        try:
            imprints = await self._ledger.imprints([served.portfolio for served in looks])
        except LedgerError:
            return list(looks)  # one server of several may be away: each is asked by itself
        changed: list[Served] = []
        for served, imprint in zip(looks, imprints, strict=True):
            if imprint == served.imprint:
                served.looked_at_ms = now_ms
            else:
                served.imprint = imprint  # of before the rescue: what comes with it is seen anew
                changed.append(served)
        return changed

    async def _rescue(self, served: Served) -> None:
        now_ms = self._now_us() // 1_000
        served.rescue_at_ms = FOREVER_MS  # a claim that answers meanwhile tells of its own lease
        try:
            rescued = await self._ledger.rescue(served.portfolio)
        except LedgerError as error:
            wait_ms = trouble_ms(served.troubles + 4, self._rng)
            served.rescue_at_ms = served.rescue_not_before_ms = now_ms + wait_ms
            self._tell(LedgerFailed(served.portfolio, "rescue", error, wait_ms))
            return
        served.looked_at_ms = now_ms
        served.trusted_until_ms = now_ms + _trusted_ms(served)
        served.rescue_at_ms = min(served.rescue_at_ms, rescued.rescue_at_ms)
        is_more = rescued.rescue_at_ms <= now_ms
        served.rescue_not_before_ms = now_ms + (1 if is_more else RESCUE_EVERY_MS)
        served.hint(rescued.due_at_ms, rescued.sequence)
        if rescued.doubted or rescued.repeated or rescued.unknown:
            doubted, repeated, unknown = rescued.doubted, rescued.repeated, rescued.unknown
            self._tell(JobsRescued(served.portfolio, doubted, repeated, unknown))
        self._ring()


def _trusted_ms(served: Served) -> int:
    """Return how long a portfolio's imprint is believed: not all are rescued at one moment."""
    return TRUSTED_MS - crc32(served.portfolio.encode()) % (TRUSTED_MS // 2)
