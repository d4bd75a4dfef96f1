"""Silence of webhooks: said once when it begins, once when it ends, and shown as a gauge."""

import pytest
import structlog
from redis.asyncio import Redis

from adapters.house import listening as room
from adapters.house.listening import listening
from adapters.redis.letterbox import Inbox


class Scrapes:
    silence_s: float | None = None
    taken = 0

    def accepted(self) -> int:
        return self.taken


async def test_a_silence_is_said_once_and_so_is_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK_EVERY_S", 0)
    scrapes, now_ms, heard_ms = Scrapes(), 10_000, 9_000

    async def heard() -> int:
        return heard_ms

    step = listening(heard, scrapes, lambda: now_ms, 60_000)
    with structlog.testing.capture_logs() as lines:
        await step()
        assert scrapes.silence_s == 1
        now_ms += 3_600_000  # nothing leaves: that is no silence
        await step()
        assert not lines
        scrapes.taken = 3
        await step()
        now_ms += 60_000
        await step()
        now_ms += 5_000
        await step()
        assert [line["event"] for line in lines] == ["webhooks_silent"]
        heard_ms = now_ms
        await step()
        await step()
    assert [line["event"] for line in lines] == ["webhooks_silent", "webhooks_heard"]
    assert scrapes.silence_s == 0


async def test_when_the_last_webhook_came_is_known_after_it_was_folded(
    redis_client: Redis,
) -> None:
    inbox = Inbox(redis_client, redis_client, "reader")
    await inbox.open()
    assert await inbox.heard_at_ms() == 0
    before_s = (await redis_client.time())[0]
    await inbox.keep(b"{}")
    [(entry, _)] = await inbox.read(10, 1)
    await inbox.drop([entry])
    heard_ms = await inbox.heard_at_ms()
    assert before_s * 1_000 <= heard_ms == int(entry.partition(b"-")[0])
