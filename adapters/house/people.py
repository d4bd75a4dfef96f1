"""What a house knows of people: their words and rests, also as answers to sends tell them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.breath import breathe
from adapters.meta.codes import RESTS
from adapters.meta.preferring import STOPPED_CODE
from adapters.redis.connect import Client
from adapters.redis.preferences import RedisPeople, RedisPreferences, RedisSlots
from adapters.redis.rests import RedisRests
from engine.borders import BORDER_CODE
from engine.contents import SEPARATOR
from engine.directory import Directory
from engine.errors import EngineError
from engine.events import Event, JobsSettled
from engine.model import Category, NowMs, PortfolioId, SenderId
from engine.outcomes import Dropped
from engine.ports import Claimed
from engine.resting import Miss, Reason, Resting
from engine.suppressions import Suppressions, Whom, Word

RESTS_EVERY_S: Final = 5.0
EVERYWHERE_EVERY_MS: Final = 600_000  # for ends that somebody died before he noted them
TELLING: Final = frozenset({*RESTS, STOPPED_CODE, BORDER_CODE})  # codes that speak of a person

Told = tuple[PortfolioId, Claimed, int, int]  # code, and when it was answered
NoteBorder = Callable[[SenderId, str, int], Awaitable[None]]  # by recipient, and when it was


class Persons:
    """Words and rests of people, and the answers that tell of them; no send waits for that."""

    def __init__(
        self,
        client: Client,
        slots: RedisSlots,
        directory: Directory,
        now_ms: NowMs,
        note_border: NoteBorder,
    ) -> None:
        self._directory = directory
        self._note_border = note_border
        self._waiting: asyncio.Queue[Told] = asyncio.Queue()
        choices, rests = RedisPreferences(client), RedisRests(client)
        self._rests = rests
        self._now_ms = now_ms
        self._everywhere_at_ms = 0  # when rests that are over are looked for in all portfolios
        self.people = RedisPeople(client)
        self.suppressions = Suppressions(choices, self.people, slots, self.portfolios)
        self.resting = Resting(rests, rests, choices, slots, RESTS, now_ms)

    def portfolios(self) -> list[PortfolioId]:
        """Return the portfolios that there are now."""
        return [each.id for each in self._directory.portfolios.values()]

    def heard(self, event: Event) -> None:
        """Take what answers say of people; a status that comes later says it to the folding."""
        if not isinstance(event, JobsSettled):
            return
        for job, outcome, sent_us, _ in event.journeys:
            if type(outcome) is Dropped and outcome.code in TELLING:
                told = (event.portfolio, job, outcome.code, sent_us // 1_000)
                self._waiting.put_nowait(told)

    async def note_next(self) -> None:
        """Wait for an answer and have it known; one that could not be told comes again."""
        told = await self._waiting.get()
        try:
            await self._note(*told)
        except EngineError:
            self._waiting.put_nowait(told)
            raise

    async def _note(self, portfolio: PortfolioId, job: Claimed, code: int, at_ms: int) -> None:
        recipient = job.recipient
        if code == BORDER_CODE:
            to = job.tail.partition(SEPARATOR)[0].decode()
            await self._note_border(job.lane.sender, to, at_ms)
            return
        if code == STOPPED_CODE:
            word = {Whom(recipient, Category.MARKETING): Word(at_ms, stops=True)}
            await self.suppressions.tell(portfolio, word)
            return
        ids = (await self.suppressions.ids_of(portfolio, [recipient]))[recipient]
        await self.resting.learn(portfolio, [Miss(Reason(key, code), at_ms) for key in ids])

    async def end_rests(self) -> None:
        """End, every few seconds, the rests whose time is over; look everywhere once in a while."""
        await asyncio.sleep(RESTS_EVERY_S)
        now_ms = self._now_ms()
        is_everywhere = now_ms >= self._everywhere_at_ms
        some = self.portfolios() if is_everywhere else await self._rests.ending(now_ms)
        for place, portfolio in enumerate(some):
            await breathe(place)
            while await self.resting.end_over(portfolio):
                pass
            await self._rests.renew(portfolio)
        if is_everywhere:
            self._everywhere_at_ms = now_ms + EVERYWHERE_EVERY_MS
