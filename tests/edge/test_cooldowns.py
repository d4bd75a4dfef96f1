"""A cooldown that cannot be kept says so, and nothing of whom it was for."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from adapters.redis.cooldowns import RedisCooldowns
from engine.errors import LedgerAwayError
from engine.model import PortfolioId
from tests.builders import a_recipient

KEY = b"welcome +4915550001234"  # a caller's own, whatever he puts in it


@pytest.fixture
async def full(redis_client: Redis) -> AsyncIterator[Redis]:
    """A server that takes no more, and is as it was afterwards."""
    await redis_client.config_set("maxmemory", "1")
    yield redis_client
    await redis_client.config_set("maxmemory", "0")


async def test_a_server_that_is_full_has_nobody_s_key_in_the_error(full: Redis) -> None:
    cooldowns = RedisCooldowns(full, lambda: 1_000)
    wishes = [(a_recipient(1), KEY)]
    with pytest.raises(LedgerAwayError) as raised:
        await cooldowns.take(PortfolioId("acme"), "journey:j", wishes, 60_000)
    assert "491555" not in str(raised.value)
