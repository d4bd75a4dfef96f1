"""One portfolio's slot on an emptied real server, for every test of a script."""

from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from tests.lua.guarded import guarded_scripts
from tests.lua.slot_state import Slot


@pytest.fixture(autouse=True, scope="module")
def _guarded() -> Iterator[None]:
    """Nothing that a test of a script reaches writes to the shared empty array."""
    with guarded_scripts():
        yield


@pytest.fixture
def slot(redis_client: Redis) -> Slot:
    """An empty slot at START_MS."""
    return Slot(redis_client)
