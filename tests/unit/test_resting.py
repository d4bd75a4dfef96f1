"""Rests: which failures ask for one, at once or repeated, and what ends it."""

import asyncio
from collections.abc import Mapping

from adapters.memory.preferences import MemoryPreferences, MemoryRests
from engine.model import Category, PortfolioId, RecipientKey
from engine.resting import Miss, Reason, Rest, Resting
from engine.suppressions import Whom, Word

P = PortfolioId("p")
ANNA, BEN = RecipientKey(b"anna...."), RecipientKey(b"ben.....")
CAPPED, UNREACHED, HELD_OUT = 131049, 131026, 130472
TABLE = {
    CAPPED: Rest(100, "https://"),
    UNREACHED: Rest(50, "https://", times=3, within_ms=30),
    HELD_OUT: Rest(100, "https://", until_written=True),
}


class House:
    """Rests with all behind them in memory."""

    def __init__(self) -> None:
        self.now_ms = 1_000
        self.choices, self.rests = MemoryPreferences(), MemoryRests()
        self.refused: set[Whom] = set()
        parts = (self.rests, self.rests, self.choices, self)
        self.resting = Resting(*parts, TABLE, lambda: self.now_ms)

    async def suppress_all(self, portfolio: PortfolioId, stops: Mapping[Whom, bool]) -> None:
        assert portfolio == P
        for whom, stop in stops.items():
            self.refused.discard(whom)
            if stop:
                self.refused.add(whom)

    async def fail(self, person: RecipientKey, code: int, at_ms: int) -> None:
        await self.resting.learn(P, [Miss(Reason(person, code), at_ms)])

    def rests_now(self, person: RecipientKey = ANNA) -> bool:
        return Whom(person, Category.MARKETING) in self.refused


def test_a_rest_ends_by_itself_and_not_before() -> None:
    async def main() -> None:
        house = House()
        await house.fail(ANNA, CAPPED, 1_000)
        assert (house.rests_now(), house.rests_now(BEN)) == (True, False)
        house.now_ms = 1_099
        assert await house.resting.end_over(P) == 0
        assert house.rests_now()
        house.now_ms = 1_100
        assert await house.resting.end_over(P) == 1
        assert not house.rests_now()
        assert house.rests.untils == {}

    asyncio.run(main())


def test_a_failure_of_long_ago_asks_for_nothing() -> None:
    async def main() -> None:
        house = House()
        await house.fail(ANNA, CAPPED, 900)
        assert (house.rests_now(), house.rests.untils) == (False, {})

    asyncio.run(main())


def test_only_repeats_within_their_time_count_and_the_same_one_is_once() -> None:
    async def main() -> None:
        house = House()
        for at_ms in (960, 1_000, 1_000, 1_000, 991):
            await house.fail(ANNA, UNREACHED, at_ms)
            assert not house.rests_now(), at_ms
        await house.fail(BEN, UNREACHED, 1_001)
        await house.fail(ANNA, UNREACHED, 1_002)
        assert (house.rests_now(), house.rests_now(BEN)) == (True, False)

    asyncio.run(main())


def test_who_stopped_or_rests_for_something_else_stays_stopped_at_the_end() -> None:
    async def main() -> None:
        house = House()
        await house.choices.tell(P, {Whom(BEN, Category.MARKETING): Word(1, stops=True)})
        for person in (ANNA, BEN):
            await house.fail(person, CAPPED, 1_000)
        await house.fail(ANNA, HELD_OUT, 1_010)
        house.now_ms = 1_105
        await house.resting.end_over(P)
        assert (house.rests_now(), house.rests_now(BEN)) == (True, True)
        assert await house.resting.of(P, ANNA) == {HELD_OUT: 1_110}

    asyncio.run(main())


def test_writing_ends_what_holds_until_then_and_nothing_else() -> None:
    async def main() -> None:
        house = House()
        await house.fail(ANNA, HELD_OUT, 1_000)
        await house.fail(BEN, CAPPED, 1_000)
        await house.resting.wrote(P, [ANNA, BEN])
        assert (house.rests_now(), house.rests_now(BEN)) == (False, True)
        await house.resting.forget(P, [BEN])
        assert (house.rests_now(BEN), house.rests.untils) == (False, {})

    asyncio.run(main())
