"""One portfolio's slot on an emptied real server, for every test of a script."""

import pytest
from redis.asyncio import Redis

from tests.lua.slot_state import Slot


@pytest.fixture
def slot(redis_client: Redis) -> Slot:
    """An empty slot at START_MS."""
    return Slot(redis_client)
