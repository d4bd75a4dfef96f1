"""Preferences on a real server: the newest holds, of one moment the stop, over all processes."""

import asyncio
from random import Random

import pytest
from redis.asyncio import Redis

from adapters.redis.ledger import RedisLedger
from adapters.redis.preferences import RedisPeople, RedisPreferences, RedisSlots
from engine.model import Category, PortfolioId, RecipientKey
from engine.suppressions import EVERYWHERE, Suppressions, Whom, Word
from engine.terms import Terms
from tests.builders import a_recipient

P1, P2 = PortfolioId("p1"), PortfolioId("p2")
NOW_MS = 1_800_000_000_000
ANNA, BEN = RecipientKey(b"anna\x00\xff12"), RecipientKey(b"\xff" * 8)
ANNAS = Whom(ANNA, Category.MARKETING)


def a_house(client: Redis, woken: list[PortfolioId]) -> Suppressions:
    ledger = RedisLedger(client, Terms(), lambda: NOW_MS)
    slots = RedisSlots(ledger.scripts, ledger.calls, lambda: NOW_MS, woken.append)
    choices, people = RedisPreferences(client), RedisPeople(client)
    return Suppressions(choices, people, slots, lambda: [P1])


async def refused(client: Redis, portfolio: PortfolioId) -> set[bytes]:
    """Return what the gate reads."""
    members = await client.smembers(f"ps:{{{portfolio}}}:suppressed")
    return {member for member in members if isinstance(member, bytes)}


async def test_the_newest_holds_and_of_one_moment_the_stop(redis_client: Redis) -> None:
    choices = RedisPreferences(redis_client)
    told = [(5, True), (4, False), (5, False), (9, False), (9, True), (8, False)]
    seen = [(await choices.tell(P1, {ANNAS: Word(*word)}))[ANNAS] for word in told]
    assert seen == [(5, True), (5, True), (5, True), (9, False), (9, True), (9, True)]
    assert await choices.known(P1, [ANNAS, Whom(BEN, None)]) == {ANNAS: (9, True)}
    assert await choices.known(P2, [ANNAS]) == {}


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_order_the_newest_is_known(redis_client: Redis, seed: int) -> None:
    rng = Random(seed)
    told = [Word(NOW_MS + rng.randrange(9), rng.random() < 0.5) for _ in range(50)]
    choices = [RedisPreferences(redis_client) for _ in range(3)]
    await asyncio.gather(*(rng.choice(choices).tell(P1, {ANNAS: word}) for word in told))
    assert await choices[0].known(P1, [ANNAS]) == {ANNAS: max(told)}


@pytest.mark.parametrize("seed", range(3))
async def test_processes_that_are_told_at_once_agree_with_the_slot(
    redis_client: Redis, seed: int
) -> None:
    rng = Random(seed)
    told = [Word(NOW_MS + rng.randrange(9), rng.random() < 0.5) for _ in range(30)]
    houses = [a_house(redis_client, []) for _ in range(3)]
    await asyncio.gather(*(rng.choice(houses).tell(P1, {ANNAS: word}) for word in told))
    assert await refused(redis_client, P1) == ({ANNA + b":marketing"} if max(told).stops else set())


async def test_kinds_of_messages_are_kept_apart_and_read_back(redis_client: Redis) -> None:
    choices = RedisPreferences(redis_client)
    words = {
        Whom(person, category): Word(at_ms, stops=True)
        for at_ms, person in ((7, ANNA), (8, BEN))
        for category in (None, *Category)
    }
    await choices.tell(P1, words)
    assert await choices.page(P1, 0) == (words, 0)
    await choices.forget(P1, [ANNA])
    assert {whom.recipient for whom in (await choices.page(P1, 0))[0]} == {BEN}


async def test_ids_of_one_person_are_known_from_both_ends(redis_client: Redis) -> None:
    people = RedisPeople(redis_client)
    keys = [RecipientKey(bytes([first, *b"\xff\xff\xff\xff\xff\xff", 0])) for first in (0, 1, 255)]
    await people.unite(P1, [(keys[0], keys[1]), (keys[1], keys[2]), (keys[0], keys[1])])
    beside = await people.beside(P1, [*keys, ANNA])
    assert {key: set(others) for key, others in beside.items()} == {
        keys[0]: {keys[1]},
        keys[1]: {keys[0], keys[2]},
        keys[2]: {keys[1]},
        ANNA: set(),
    }
    groups = await a_house(redis_client, []).ids_of(P1, [keys[0], ANNA])
    assert (set(groups[keys[0]]), groups[ANNA]) == (set(keys), [ANNA])
    await people.part(P1, [keys[1]])
    assert await redis_client.keys("ps:registry:aliases:*") == []


async def test_a_thousand_at_once_are_in_every_slot_and_in_one_that_comes_later(
    redis_client: Redis,
) -> None:
    woken: list[PortfolioId] = []
    house = a_house(redis_client, woken)
    await RedisLedger(redis_client, Terms(), lambda: NOW_MS).load()
    people = [RecipientKey(number.to_bytes(8, "big")) for number in range(1_201)]
    everybody = dict.fromkeys([Whom(person, None) for person in people], True)
    await house.order(EVERYWHERE, everybody, NOW_MS)
    members = {person + b":" for person in people}
    assert await refused(redis_client, P1) == members
    assert (await refused(redis_client, P2), woken) == (set(), [])
    await house.adopt(P2)
    assert await refused(redis_client, P2) == members
    await house.order(P2, dict.fromkeys(everybody, False), NOW_MS)
    assert await refused(redis_client, P2) == set()
    assert set(woken) == {P2}
    await house.adopt(P2)  # again: what was said there since is newer
    assert await refused(redis_client, P2) == set()


async def test_whom_a_number_leads_is_found_until_they_part(redis_client: Redis) -> None:
    people = RedisPeople(redis_client)
    user_id, dialled, number, other = [a_recipient(n) for n in range(4)]
    await people.unite(P1, [(user_id, number), (dialled, number)])
    await people.lead(P1, {user_id: number, dialled: number})
    found = await people.leads(P1, [dialled, other, user_id, number])
    assert found == {dialled: number, user_id: number}
    assert await people.leads(P2, [dialled]) == {}
    await people.part(P1, [dialled])
    assert await people.leads(P1, [dialled, user_id]) == {user_id: number}
    await people.part(P1, [number])
    assert await people.leads(P1, [user_id]) == {}
