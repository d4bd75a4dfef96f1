"""Rests end within seconds of their time, and portfolios without any are not asked about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest
from redis.asyncio import Redis

from adapters.house import people
from adapters.house.people import EVERYWHERE_EVERY_MS, Persons
from adapters.redis.preferences import RedisSlots
from adapters.redis.rests import NEXT, RESTS
from engine.directory import Directory, Portfolio
from engine.errors import LedgerAwayError
from engine.model import Category, PortfolioId, RecipientKey, SenderId
from engine.resting import Miss, Reason
from engine.suppressions import Whom

MANY = [PortfolioId(f"p{number}") for number in range(300)]
P, Q = MANY[0], MANY[1]
ANNA, BEN = RecipientKey(b"anna...."), RecipientKey(b"ben.....")
CAPPED = 131049
DAY_MS = 86_400_000


class Process:
    """One process of a house, and whom its slots refuse."""

    def __init__(self, client: Redis, now_ms: int = 1_780_000_000_000) -> None:
        self.now_ms = now_ms
        self.refused: set[tuple[PortfolioId, Whom]] = set()
        self.is_away = False
        directory = Directory()
        directory.portfolios.update({each: Portfolio(each, 250) for each in MANY})
        slots = cast("RedisSlots", self)
        self.persons = Persons(client, slots, directory, lambda: self.now_ms, self.note_border)

    async def suppress_all(self, portfolio: PortfolioId, stops: Mapping[Whom, bool]) -> None:
        if self.is_away:
            raise LedgerAwayError("away")
        for whom, stop in stops.items():
            self.refused.discard((portfolio, whom))
            if stop:
                self.refused.add((portfolio, whom))

    async def note_border(self, sender: SenderId, to: str, at_ms: int) -> None:
        raise AssertionError((sender, to, at_ms))

    async def miss(self, portfolio: PortfolioId, person: RecipientKey, ago_ms: int = 0) -> None:
        missed = Miss(Reason(person, CAPPED), self.now_ms - ago_ms)
        await self.persons.resting.learn(portfolio, [missed])

    def rests(self, portfolio: PortfolioId, person: RecipientKey) -> bool:
        return (portfolio, Whom(person, Category.MARKETING)) in self.refused

    async def look(self, after_ms: int = 5_000) -> None:
        self.now_ms += after_ms
        await self.persons.end_rests()


@pytest.fixture
def process(redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> Process:
    monkeypatch.setattr(people, "RESTS_EVERY_S", 0)
    return Process(redis_client)


async def commands(client: Redis) -> int:
    return sum(each["calls"] for each in (await client.info("commandstats")).values())


async def test_a_look_at_hundreds_of_portfolios_is_one_command(
    redis_client: Redis, process: Process
) -> None:
    await process.look()
    await process.miss(P, ANNA)
    before = await commands(redis_client)
    await process.look()
    assert await commands(redis_client) - before <= 1 + 1  # and this count


async def test_each_rest_ends_when_its_time_is_over(process: Process) -> None:
    await process.look()
    await process.miss(P, ANNA)
    for_ms = (await process.persons.resting.of(P, ANNA))[CAPPED] - process.now_ms
    await process.miss(P, BEN, ago_ms=1_000)
    await process.miss(Q, BEN, ago_ms=for_ms - 7_000)  # its webhook came late
    await process.look(5_000)
    assert process.rests(Q, BEN)
    await process.look(2_000)
    assert not process.rests(Q, BEN)
    process.now_ms += for_ms - 8_000 - 5_000
    await process.look(4_999)
    assert (process.rests(P, ANNA), process.rests(P, BEN)) == (True, True)
    await process.look(1)
    assert (process.rests(P, ANNA), process.rests(P, BEN)) == (True, False)
    await process.look(1_000)
    assert not process.rests(P, ANNA)


async def test_a_rest_that_was_prolonged_is_looked_at_once_too_early(
    redis_client: Redis, process: Process
) -> None:
    await process.look()
    await process.miss(P, ANNA)
    until_ms = (await process.persons.resting.of(P, ANNA))[CAPPED]
    process.now_ms = until_ms - 1
    await process.miss(P, ANNA)
    await process.look(1)
    assert process.rests(P, ANNA)
    later_ms = (await process.persons.resting.of(P, ANNA))[CAPPED]
    assert await redis_client.zscore(NEXT, P) == later_ms > until_ms


async def test_what_a_dead_process_did_not_note_ends_within_ten_minutes(
    redis_client: Redis, process: Process
) -> None:
    await process.look()
    await process.miss(P, ANNA)
    until_ms = (await process.persons.resting.of(P, ANNA))[CAPPED]
    await redis_client.delete(NEXT)
    assert await redis_client.exists(f"{RESTS}{P}") == 1
    process.now_ms = until_ms
    await process.look(EVERYWHERE_EVERY_MS)
    assert not process.rests(P, ANNA)


async def test_a_look_everywhere_that_failed_is_made_again(process: Process) -> None:
    await process.miss(P, ANNA)
    process.now_ms += 30 * DAY_MS
    process.is_away = True
    with pytest.raises(LedgerAwayError):
        await process.look()
    process.is_away = False
    await process.look()
    assert not process.rests(P, ANNA)


async def test_a_rest_that_is_cut_short_by_a_process_that_died_ends_with_the_next_look(
    process: Process,
) -> None:
    await process.look()
    await process.miss(P, ANNA)
    process.is_away = True
    with pytest.raises(LedgerAwayError):
        await process.persons.resting.forget(P, [ANNA])
    process.is_away = False
    assert process.rests(P, ANNA)
    await process.look()
    assert not process.rests(P, ANNA)
