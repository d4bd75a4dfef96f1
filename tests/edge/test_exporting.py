"""The outcome logs of all portfolios go to their files, whatever stands in the way of one."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.house import exporting
from adapters.redis import keys
from adapters.redis.dead_letters import DeadLetters
from adapters.settings import load_settings
from engine.directory import Portfolio
from engine.errors import EngineError
from engine.model import PortfolioId

NOW_MS = 1_764_000_000_000
BLOCKED, FREE = PortfolioId("blocked"), PortfolioId("free")


async def test_a_file_that_cannot_be_written_holds_up_no_other_portfolios_log(
    redis_client: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "EXPORT_EVERY_S", 0)
    settings = load_settings({"data_dir": str(tmp_path)}, environment={}, directory=tmp_path)
    for name in (BLOCKED, FREE):
        await redis_client.xadd(keys.log(name), {"enqueued": "0|1|1"}, id=f"{NOW_MS}-0")
    day = "2025-11-24"
    (settings.export_path / f"outcomes-{BLOCKED}-{day}.ndjson").mkdir(parents=True)
    portfolios = [Portfolio(name, 250) for name in (BLOCKED, FREE)]

    def now_ms() -> int:
        return NOW_MS

    letters = DeadLetters(redis_client, now_ms, keep_ms=1_000)
    export = exporting.exporting(redis_client, "one", settings, letters, lambda: portfolios, now_ms)
    with pytest.raises((EngineError, OSError), match=BLOCKED):
        await export()
    written = (settings.export_path / f"outcomes-{FREE}-{day}.ndjson").read_text()
    assert "enqueued" in written
