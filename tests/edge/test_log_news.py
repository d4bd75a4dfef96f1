"""Logs in which nothing happens cost one question for all; what happens is written at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.house import exporting
from adapters.redis import keys
from adapters.redis.dead_letters import DeadLetters
from adapters.redis.log_news import AT_ONCE, EXPORTER, TURN_MS, logs_with_news
from adapters.redis.log_trimming import TRIM_EVERY_MS, LogTrimming
from adapters.redis.outcome_log import OutcomeLog
from adapters.settings import load_settings
from engine.directory import Portfolio
from engine.model import PortfolioId

NOW_MS = 1_764_000_000_000
SPAN_MS = 60_000
MANY = [PortfolioId(f"p{number}") for number in range(AT_ONCE + 100)]
P = MANY[0]

Export = Callable[[], Awaitable[None]]


class Deployment:
    """Processes that write the logs of the same portfolios, each to a folder of its own."""

    def __init__(self, client: Redis, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.now_ms = NOW_MS

    def process(self, name: str) -> Export:
        directory = self.folder / name
        settings = load_settings({"data_dir": str(directory)}, environment={}, directory=directory)
        letters = DeadLetters(self.client, lambda: self.now_ms, keep_ms=1_000)
        known = [Portfolio(each, 250) for each in MANY]
        return exporting.exporting(
            *(self.client, name, settings, letters),
            lambda: known,
            lambda: self.now_ms,
        )

    async def note(self, portfolio: PortfolioId, at_ms: int) -> None:
        await self.client.xadd(keys.log(portfolio), {"enqueued": "0|1|1"}, id=f"{at_ms}-0")

    async def commands(self) -> int:
        return sum(each["calls"] for each in (await self.client.info("commandstats")).values())

    def enqueued(self) -> list[str]:
        paths = self.folder.glob(f"*/*{P}-*.ndjson"), self.folder.glob(f"*/*/*{P}-*.ndjson")
        texts = [path.read_text() for found in paths for path in found]
        return [line for text in texts for line in text.splitlines() if "enqueued" in line]


@pytest.fixture
def deployment(redis_client: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setattr(exporting, "EXPORT_EVERY_S", 0)
    return Deployment(redis_client, tmp_path)


async def test_hundreds_of_idle_logs_cost_a_handful_of_commands(deployment: Deployment) -> None:
    export, other = deployment.process("one"), deployment.process("two")
    await export()
    before = await deployment.commands()
    await export()
    assert await deployment.commands() - before <= 2 + len(MANY) / AT_ONCE + 2
    before = await deployment.commands()
    await other()
    assert await deployment.commands() - before <= 2, "the turn, and this count"


async def test_what_comes_after_a_long_silence_is_written_with_the_next_look(
    deployment: Deployment,
) -> None:
    export = deployment.process("one")
    for _ in range(3):
        await export()
        deployment.now_ms += 3_600_000
    for times in (1, 2):
        await deployment.note(P, deployment.now_ms + times)
        await export()
        assert len(deployment.enqueued()) == times


async def test_who_follows_a_process_that_died_writes_what_is_not_written_yet(
    deployment: Deployment,
) -> None:
    first, second = deployment.process("one"), deployment.process("two")
    await deployment.note(P, NOW_MS)
    await first()
    await deployment.note(P, NOW_MS + 1)
    await second()
    assert len(deployment.enqueued()) == 1, "it is the other's turn"
    assert 0 < await deployment.client.pttl(EXPORTER) <= TURN_MS
    await deployment.client.delete(EXPORTER, *(keys.log_lock(each) for each in MANY))  # it died
    await second()
    assert len(deployment.enqueued()) == 2
    await deployment.note(P, NOW_MS + 2)
    await first()
    assert len(deployment.enqueued()) == 2, "and what was taken over stays so"


async def test_a_log_without_news_is_trimmed_when_its_records_leave_the_window(
    redis_client: Redis, tmp_path: Path
) -> None:
    """Whole nodes of a stream go: here all but the youngest one."""
    log = OutcomeLog(redis_client, tmp_path, process="one", span_ms=SPAN_MS)
    old = [f"{NOW_MS + number}-0" for number in range(350)]
    for record in old:
        await redis_client.xadd(keys.log(P), {"enqueued": "0|1|1"}, id=record)
    assert await log.unwritten(MANY, NOW_MS) == {P}
    assert await log.export(P, NOW_MS) == len(old)
    for after_ms in (1, SPAN_MS - 1):
        assert await log.unwritten(MANY, NOW_MS + after_ms) == set()
        assert await redis_client.xlen(keys.log(P)) == len(old)
    assert await log.unwritten(MANY, NOW_MS + SPAN_MS + 1_000) == set()
    assert await redis_client.xlen(keys.log(P)) < 100


async def test_what_is_in_no_file_yet_is_not_trimmed_however_old_it_is(redis_client: Redis) -> None:
    trimming = LogTrimming(redis_client, SPAN_MS)
    for number in range(350):
        await redis_client.xadd(keys.log(P), {"enqueued": "0|1|1"}, id=f"{NOW_MS + number}-0")
    much_later_ms = NOW_MS + 100 * SPAN_MS
    await trimming.look([P], much_later_ms)
    assert await redis_client.xlen(keys.log(P)) == 350
    await redis_client.set(keys.log_exported(P), f"{NOW_MS + 200}-0")
    await trimming.look([P], much_later_ms + TRIM_EVERY_MS - 1)
    assert await redis_client.xlen(keys.log(P)) == 350, "it has had its turn"
    await trimming.look([P], much_later_ms + TRIM_EVERY_MS)
    assert 150 <= await redis_client.xlen(keys.log(P)) < 350


async def test_logs_of_which_nothing_is_known_have_their_turns_within_a_minute(
    deployment: Deployment,
) -> None:
    for each in MANY:
        await deployment.client.set(keys.log_exported(each), f"{NOW_MS}-0")
    trimming = LogTrimming(deployment.client, SPAN_MS)
    asked: list[int] = []
    for at_ms in range(0, TRIM_EVERY_MS + 1, 5_000):
        before = await deployment.commands()
        await trimming.look(MANY, NOW_MS + at_ms)
        asked.append((await deployment.commands() - before) // 3)
    assert abs(sum(asked) - len(MANY)) <= 1
    assert max(asked) <= len(MANY) / 10
    before = await deployment.commands()
    await trimming.look(MANY, NOW_MS + 1_000 * SPAN_MS)
    assert await deployment.commands() - before <= 1, "they are empty"


async def test_a_place_is_told_for_each_log(redis_client: Redis) -> None:
    for each in MANY[::50]:
        await redis_client.xadd(keys.log(each), {"enqueued": "0|1|1"}, id=f"{NOW_MS}-0")
    begin = dict.fromkeys(MANY, b"0-0")
    assert await logs_with_news(redis_client, begin) == set(MANY[::50])
    assert await logs_with_news(redis_client, begin | {P: f"{NOW_MS}-0".encode()}) == {
        *MANY[50::50]
    }
    assert await logs_with_news(redis_client, {}) == set()
