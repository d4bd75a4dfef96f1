"""Every process tells what it did and heard, those too that write no messages."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.house import pulsing
from adapters.house.shared import open_house
from adapters.redis.pulses import PulseReader
from adapters.settings import load_settings
from engine.events import StatusesReceived
from engine.model import DeliveryStatus, JobKey, PortfolioId, RecipientKey
from engine.ports import Receipt

pytestmark = pytest.mark.one_server


async def test_who_only_hears_of_failures_tells_them(
    redis_client: Redis, server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulsing, "PULSE_EVERY_S", 0.01)
    flags: dict[str, object] = {"data_dir": str(tmp_path), "api_key": "a-key-of-the-test"}
    settings = load_settings(flags, environment={}, directory=tmp_path)
    async with open_house(settings, server_url) as house:
        key, person = JobKey(1, 1), RecipientKey(b"8 bytes.")
        at_ms = house.clock.now_ms()
        failed = Receipt(key, 1, person, DeliveryStatus.UNDELIVERED, at_ms, code=131026)
        house.emit(StatusesReceived(PortfolioId("p1"), [failed], [], []))
        reader = PulseReader(redis_client, house.clock.now_ms)
        async with asyncio.timeout(30):
            while not (pulses := await reader.newest()):
                await asyncio.sleep(0.01)
    assert [list(each.errors.values()) for each in pulses] == [[{"131026": 1}]]
