"""One process speaks for the deployment: an API rather than a worker; another when it is gone."""

import asyncio

import pytest
from redis.asyncio import Redis

from adapters.redis import speaker as speaking
from adapters.redis.connect import connect, disconnect
from adapters.redis.speaker import API, HOLD_MS, SPEAKER, WORKER, Speaker
from engine.errors import LedgerAwayError


@pytest.fixture(autouse=True)
def _long_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's time is over because the machine stood still."""
    monkeypatch.setattr(speaking, "HOLD_MS", 12 * HOLD_MS)


def a_speaker(client: Redis, name: str, rank: int = WORKER) -> Speaker:
    """Return what one process has."""
    speaker = Speaker(client, name)
    speaker.rank = rank
    return speaker


async def those_who_speak(*speakers: Speaker) -> list[str]:
    """Let each look twice, as they do every second, and return who speaks then."""
    for each in (*speakers, *speakers):
        await each.look()
    return [each._name for each in speakers if each.speaks]


async def test_one_of_many_speaks_and_goes_on(redis_client: Redis) -> None:
    speakers = [a_speaker(redis_client, f"w{number}") for number in range(5)]
    assert await those_who_speak(*speakers) == ["w0"]
    assert await those_who_speak(*reversed(speakers)) == ["w0"]


async def test_of_those_who_look_at_once_one_speaks(redis_client: Redis) -> None:
    for rank in (WORKER, API):
        speakers = [a_speaker(redis_client, f"{rank}-{number}", rank) for number in range(5)]
        for _ in range(2):  # a higher rank that was taken twice is heard at the next look
            await asyncio.gather(*(each.look() for each in speakers))
        assert sum(each.speaks for each in speakers) == 1


async def test_an_api_speaks_rather_than_a_worker(redis_client: Redis) -> None:
    worker, api = a_speaker(redis_client, "w"), a_speaker(redis_client, "a", API)
    other = a_speaker(redis_client, "b", API)
    assert await those_who_speak(worker) == ["w"]
    assert await those_who_speak(worker, api, other) == ["a"]
    api.rank = WORKER
    assert await those_who_speak(api, other, worker) == ["b"]


async def test_who_dies_is_followed_when_its_time_is_over(redis_client: Redis) -> None:
    dead, heir = a_speaker(redis_client, "dead"), a_speaker(redis_client, "heir")
    assert await those_who_speak(dead, heir) == ["dead"]
    assert 0 < await redis_client.pttl(SPEAKER) <= speaking.HOLD_MS
    await redis_client.pexpire(SPEAKER, 1)
    async with asyncio.timeout(20):
        while await redis_client.exists(SPEAKER):
            await asyncio.sleep(0.001)
    assert await those_who_speak(heir, dead) == ["heir"]


async def test_who_leaves_is_followed_at_once(redis_client: Redis) -> None:
    one, heir = a_speaker(redis_client, "one"), a_speaker(redis_client, "heir")
    assert await those_who_speak(one, heir) == ["one"]
    await one.leave()
    await heir.leave()  # it does not speak: nothing is taken from anybody
    assert await those_who_speak(heir, one) == ["heir"]


async def test_while_redis_is_away_who_speaks_goes_on(redis_client: Redis) -> None:
    speaker = a_speaker(redis_client, "one")
    await speaker.look()
    gone = connect("redis://127.0.0.1:1")
    assert isinstance(gone, Redis)
    speaker._client = gone
    with pytest.raises(LedgerAwayError):
        await speaker.look()
    assert speaker.speaks
    await disconnect(gone)
