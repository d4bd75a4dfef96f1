"""The registry on a real server: what lasts, what is sealed, what others see."""

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from adapters.memory.registry import MemoryRegistry
from adapters.redis.registry import RedisRegistry
from adapters.redis.seal import Seal, SealError
from engine.directory import (
    AccountRules,
    ApiKey,
    Campaign,
    Portfolio,
    Record,
    Role,
    Sender,
    TemplateDraft,
    record_name,
)
from engine.model import Category, PortfolioId, Priority, SenderId, SourceState, WabaId
from tests.front_desk import a_template

SENDER = Sender(SenderId("106540352242922"), PortfolioId("p1"), WabaId("w1"), "+1 555 0100")
CAMPAIGN = Campaign(
    id="c1",
    name="Autumn",
    portfolio_id=PortfolioId("p1"),
    senders=(SENDER.id,),
    message={"type": "template", "nested": [1, None, {"a": "ü"}]},
    fields=("name",),
    templates=("w1/offer/en_US",),
    category=Category.MARKETING,
    priority=Priority.MARKETING,
    content=1,
)
RECORDS: list[Record] = [
    Portfolio(PortfolioId("p1"), 250, reserve={"utility": 0.1}, number=7),
    SENDER,
    a_template(),
    a_template(
        "drafted",
        draft=TemplateDraft(Category.UTILITY, [{"type": "BODY", "text": "Hi"}]),
        edited_at_ms=(1, 2),
        stale_since_ms=3,
    ),
    AccountRules(WabaId("w1"), "seed", "https://ct1.io/"),
    CAMPAIGN,
    replace(CAMPAIGN, stopped_by="w1/offer/en_US", stopped_from=SourceState.PAUSED),
    ApiKey("00000001", "journeys", Role.SEND, b"\x00" * 32, 1),
]


def a_registry(client: Redis, secret: str = "the seal of this test") -> RedisRegistry:
    return RedisRegistry(client, Seal(secret))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
async def test_a_record_comes_back_as_it_was_in_every_process(
    redis_client: Redis, record: Record
) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await there.refresh()
    assert await here.put(record) == record
    await there.refresh()
    for registry in (here, there):
        assert registry.directory.shelf_of(record)[record_name(record)] == record


async def test_what_did_not_change_stays_the_same_object(redis_client: Redis) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await here.put(a_template())
    await there.refresh()
    before = there.directory.templates[a_template().key]
    await here.put(a_template("other"))
    await there.refresh()
    assert there.directory.templates[a_template().key] is before
    assert len(there.directory.templates) == 2


async def test_what_was_put_here_and_put_back_elsewhere_is_read_anew(redis_client: Redis) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await here.put(SENDER)
    for each in (here, there):
        await each.refresh()
    await here.put(replace(SENDER, throughput=5))
    await there.refresh()
    await there.put(SENDER)  # to the letter as it was read here before
    await here.refresh()
    assert here.directory.senders[SENDER.id] == SENDER


async def test_what_was_put_here_and_dropped_elsewhere_is_gone(redis_client: Redis) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await here.put(SENDER)
    await there.refresh()
    await there.change(Sender, SENDER.id, lambda _known: None)
    await here.refresh()
    assert here.directory.senders == {}


async def test_a_portfolio_keeps_its_number_whoever_asks(redis_client: Redis) -> None:
    registries = [a_registry(redis_client) for _ in range(5)]
    portfolio = Portfolio(PortfolioId("p1"), 250)
    made = await asyncio.gather(*(each.put(portfolio) for each in registries))
    other = await registries[0].put(Portfolio(PortfolioId("p2"), 250))
    numbers = {each.number for each in made if isinstance(each, Portfolio)}
    assert len(numbers) == 1
    assert isinstance(other, Portfolio)
    assert other.number not in numbers


async def test_a_token_is_sealed_at_rest_and_open_for_every_process(redis_client: Redis) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await here.put_token(SENDER.id, "EAAG-canary-token")
    await there.refresh()
    assert here.token_of(SENDER.id) == there.token_of(SENDER.id) == "EAAG-canary-token"
    assert here.token_of(SenderId("1")) == ""
    for key in await redis_client.keys("*"):
        if await redis_client.type(key) == b"hash":
            assert "canary" not in str(await redis_client.hgetall(key))


async def test_a_token_of_another_seal_or_owner_is_refused(redis_client: Redis) -> None:
    await a_registry(redis_client).put_token(SENDER.id, "token")
    stranger = a_registry(redis_client, "another seal")
    await stranger.refresh()
    assert stranger.token_of(SENDER.id) == ""
    assert await stranger.reseal() == [SENDER.id]
    seal = Seal("x")
    with pytest.raises(SealError, match="PENSTOCK_SECRET_KEY"):
        seal.open("b", seal.close("a", "token"))


async def test_a_secret_is_made_once(redis_client: Redis) -> None:
    registries = [a_registry(redis_client) for _ in range(5)]
    made = await asyncio.gather(*(each.secret("recipients") for each in registries))
    assert len(set(made)) == 1
    assert len(made[0]) == 32
    assert await registries[0].secret("opaque") != made[0]


async def test_who_changes_something_is_told_to_tell(redis_client: Redis) -> None:
    registry, told = a_registry(redis_client), list[int]()
    registry.changed = lambda: told.append(1)
    await registry.put(SENDER)
    await registry.put_token(SENDER.id, "token")
    assert len(told) == 2


async def test_the_memory_twin_answers_the_same() -> None:
    registry = MemoryRegistry()
    first = await registry.put(Portfolio(PortfolioId("p1"), 250))
    again = await registry.put(Portfolio(PortfolioId("p1"), 1_000))
    assert isinstance(first, Portfolio)
    assert isinstance(again, Portfolio)
    assert first.number == again.number == 1
    await registry.put_token(SENDER.id, "token")
    assert registry.token_of(SENDER.id) == "token"


async def test_many_records_are_one_change(redis_client: Redis) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    changes: list[int] = []
    here.changed = lambda: changes.append(1)
    await there.refresh()
    records = [a_template(f"offer_{n}") for n in range(450)]
    await here.add_all(records)
    await here.add_all([])
    await there.refresh()
    assert len(changes) == 1
    for registry in (here, there):
        assert set(registry.directory.templates) == {each.key for each in records}
