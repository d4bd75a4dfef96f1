"""The inbox: who brings a body hears whether it was kept, though many are written together."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from adapters.redis.letterbox import INBOX, WRITTEN_MAX, Inbox
from engine.errors import LedgerAwayError


async def an_inbox(client: Redis) -> Inbox:
    inbox = Inbox(client, client, "reader")
    await inbox.open()
    return inbox


async def test_bodies_that_come_at_once_are_kept_each_for_itself_in_few_round_trips(
    redis_client: Redis,
) -> None:
    inbox = await an_inbox(redis_client)
    bodies = [b"%d" % number for number in range(3 * WRITTEN_MAX)]
    before = (await redis_client.info("stats"))["total_reads_processed"]
    await asyncio.gather(*(inbox.keep(body) for body in bodies))
    reads = (await redis_client.info("stats"))["total_reads_processed"] - before
    entries = await inbox.read(len(bodies), 1)
    assert [body for _, body in entries] == bodies
    assert reads < len(bodies) / 4
    await inbox.drop([entry for entry, _ in entries])
    assert await inbox.length() == 0
    assert (await redis_client.xpending(INBOX, "fold"))["pending"] == 0


async def test_one_that_could_not_be_kept_is_told_to_all_who_brought_one(
    redis_client: Redis,
) -> None:
    inbox = await an_inbox(redis_client)
    await redis_client.set(INBOX, "in the way")
    outcomes = await asyncio.gather(
        *(inbox.keep(b"%d" % number) for number in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [LedgerAwayError] * 3
    await redis_client.delete(INBOX)
    await inbox.keep(b"later")  # what went wrong is over
    assert await inbox.length() == 1


async def test_who_goes_away_takes_nobody_along(redis_client: Redis) -> None:
    inbox = await an_inbox(redis_client)
    going, staying = (asyncio.create_task(inbox.keep(body)) for body in (b"going", b"staying"))
    await asyncio.sleep(0)  # both have brought theirs
    going.cancel()
    await staying
    with pytest.raises(asyncio.CancelledError):
        await going
    assert b"staying" in [body for _, body in await inbox.read(10, 1)]
