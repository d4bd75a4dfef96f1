"""What changed in the registry is read, and nothing else; what cannot be known is read anew."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from redis.asyncio import Redis

from adapters.redis import registry as registry_room
from adapters.redis.change_log import CHANGES, CHANGES_MAX, ChangeLog
from adapters.redis.registry import RedisRegistry
from adapters.redis.seal import Seal
from engine.directory import Sender
from engine.errors import LedgerAwayError
from engine.model import PortfolioId, SenderId, WabaId
from tests.front_desk import a_template

pytestmark = pytest.mark.usefixtures("redis_client")

READS = ("hgetall", "hscan", "hmget")


def a_registry(client: Redis) -> RedisRegistry:
    return RedisRegistry(client, Seal("the seal of this test"))


def a_sender(number: int, name: str = "") -> Sender:
    its = SenderId(f"10654{number}")
    return Sender(its, PortfolioId("p1"), WabaId("w1"), "+1 555 0100", alias=name)


async def drop(registry: RedisRegistry, sender: Sender) -> None:
    await registry.change(Sender, sender.id, lambda _known: None)


async def reads_of(client: Redis) -> dict[str, int]:
    """Return how often each way to read a hash was used so far."""
    about = await client.info("commandstats")
    return {name: about.get(f"cmdstat_{name}", {}).get("calls", 0) for name in READS}


async def shelves_of(registry: RedisRegistry) -> tuple[object, ...]:
    await registry.refresh()
    its = registry.directory
    return dict(its.senders), dict(its.templates), registry.token_of(SenderId("106541"))


async def test_one_change_among_many_is_one_read(redis_client: Redis) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await here.add_all([a_template(f"offer_{n}") for n in range(1_000)])
    await there.refresh()
    before = await reads_of(redis_client)
    await here.put(a_template("offer_7", stale_since_ms=3))
    await there.refresh()
    await there.refresh()
    after = await reads_of(redis_client)
    assert {name: after[name] - before[name] for name in READS} == {
        "hgetall": 0,
        "hscan": 0,
        "hmget": 1,
    }
    assert there.directory.templates[a_template("offer_7").key].stale_since_ms == 3


async def test_what_is_dropped_is_gone_for_the_others_too(redis_client: Redis) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await here.add_all([a_sender(1), a_sender(2)])
    await there.refresh()
    await drop(here, a_sender(1))
    await there.refresh()
    assert set(there.directory.senders) == {a_sender(2).id}


async def test_who_missed_more_than_is_kept_reads_all(redis_client: Redis) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await here.add_all([a_sender(1), a_sender(2)])
    await there.refresh()
    await drop(here, a_sender(1))
    await here.put(a_sender(2, "other"))
    await redis_client.xtrim(CHANGES, maxlen=1)
    await there.refresh()
    assert await shelves_of(there) == await shelves_of(here)
    assert there.directory.senders == {a_sender(2).id: a_sender(2, "other")}


async def test_a_server_that_lost_its_tail_is_read_anew(redis_client: Redis) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await here.put(a_sender(1))
    await here.put(a_sender(2))
    await there.refresh()
    await redis_client.flushall()  # as a replica that never heard of them
    await a_registry(redis_client).put(a_sender(3))
    await there.refresh()
    assert set(there.directory.senders) == {a_sender(3).id}


async def test_who_died_between_writing_and_telling_is_heard_later(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await there.refresh()

    async def dies(_log: ChangeLog, _kind: str, _names: list[str]) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(ChangeLog, "note", dies)
        with pytest.raises(asyncio.CancelledError):
            await here.put(a_sender(1))
    await there.refresh()
    assert not there.directory.senders
    monkeypatch.setattr(there, "_read_all_at_s", 0.0)
    await there.refresh()
    assert set(there.directory.senders) == {a_sender(1).id}
    assert registry_room.READ_ALL_EVERY_S > 0


async def test_the_log_of_changes_is_bounded(redis_client: Redis) -> None:
    log = ChangeLog(redis_client)
    pipeline = redis_client.pipeline(transaction=False)
    for _ in range(2 * CHANGES_MAX):
        pipeline.xadd(CHANGES, {"senders": b'["1"]'}, maxlen=CHANGES_MAX, approximate=True)
    await pipeline.execute()
    await log.note("senders", ["1"])
    assert CHANGES_MAX <= await redis_client.xlen(CHANGES) < 1.1 * CHANGES_MAX


async def test_a_kind_of_a_newer_version_is_let_be(redis_client: Redis) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await here.put(a_sender(1))
    await there.refresh()
    await ChangeLog(redis_client).note("pigeons", ["grey"])
    await here.put(a_sender(2))
    await there.refresh()
    assert set(there.directory.senders) == {a_sender(1).id, a_sender(2).id}


async def test_many_who_write_and_read_at_once_agree_in_the_end(redis_client: Redis) -> None:
    registries = [a_registry(redis_client) for _ in range(4)]

    async def live(registry: RedisRegistry, rng: Random) -> None:
        for step in range(60):
            its = a_sender(rng.randrange(6), f"{id(registry)}-{step}")
            match rng.randrange(5):
                case 0:
                    await drop(registry, its)
                case 1:
                    await registry.put_token(its.id, its.alias)
                case 2:
                    await asyncio.gather(registry.refresh(), registry.put(its), registry.refresh())
                case _:
                    await registry.put(its)

    await asyncio.gather(*(live(each, Random(at)) for at, each in enumerate(registries)))
    fresh = await shelves_of(a_registry(redis_client))
    for registry in registries:
        assert await shelves_of(registry) == fresh


@pytest.mark.parametrize("is_away", [False, True])
async def test_who_waits_shares_one_reading(
    redis_client: Redis,
    monkeypatch: pytest.MonkeyPatch,
    is_away: bool,  # noqa: FBT001 (the case)
) -> None:
    """Were each to wait for its own, a Redis that is away would keep the last for minutes."""
    registry, asked, answers = a_registry(redis_client), list[bytes](), asyncio.Event()
    await registry.refresh()

    async def since(_log: ChangeLog, seen: bytes) -> tuple[dict[str, set[str]], bytes]:
        asked.append(seen)
        await answers.wait()
        if is_away:
            raise LedgerAwayError("Redis does not answer")
        return {}, seen

    monkeypatch.setattr(ChangeLog, "since", since)
    waiting = [asyncio.create_task(registry.refresh()) for _ in range(20)]
    while not asked:
        await asyncio.sleep(0)
    answers.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert len(asked) == 2  # the first, and one that began after all others had come
    assert all(isinstance(each, LedgerAwayError) == is_away for each in ended)


async def test_who_gives_up_while_reading_leaves_nobody_without(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = a_registry(redis_client), a_registry(redis_client)
    await there.refresh()
    await here.put(a_sender(1))
    begun = asyncio.Event()
    read = ChangeLog.since

    async def since(log: ChangeLog, seen: bytes) -> object:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        return await read(log, seen)

    monkeypatch.setattr(ChangeLog, "since", since)
    first = asyncio.create_task(there.refresh())
    await begun.wait()
    second = asyncio.create_task(there.refresh())
    first.cancel()
    await second
    assert set(there.directory.senders) == {a_sender(1).id}
