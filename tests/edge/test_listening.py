"""Silence of webhooks: said once when it begins, once when it ends, and shown as a gauge.

Of each number it is told to the ledger too, which then repeats none of its doubts.
"""

from collections.abc import Mapping

import pytest
import structlog
from redis.asyncio import Redis

from adapters.house import listening as room
from adapters.house.listening import LOOK_EVERY_S, Ears, listening
from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from adapters.redis.hearing import RedisHearing
from adapters.redis.letterbox import Inbox
from engine.directory import Portfolio, Sender
from engine.keeper import Keeper
from engine.model import PortfolioId, SenderId, WabaId
from engine.silence import SILENT_MS, silent_since_ms
from engine.terms import Terms

P1, QUIET, LOUD = PortfolioId("acme"), SenderId("1001"), SenderId("1002")
START_MS = 1_764_000_000_000
LOOK_MS = round(LOOK_EVERY_S * 1_000)


class Scrapes:
    silence_s: float | None = None
    taken = 0

    def __init__(self) -> None:
        self.by_label: dict[str, int] = {}

    def accepted(self) -> int:
        return self.taken

    def accepted_by_label(self) -> Mapping[str, int]:
        return self.by_label

    def label_of(self, sender: str) -> str:
        return f"label of {sender}"


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


class Process:
    """What one process counts and hears; several share the registry and Redis."""

    def __init__(self, house: "Shared") -> None:
        self.scrapes = Scrapes()
        keeper = Keeper(
            house.registry, house.ledger, emit=lambda _: None, now_ms=lambda: house.now_ms
        )
        outside = (house.hearing, keeper, house.registry.directory)

        async def heard() -> int:
            return house.now_ms

        self.ears = Ears(heard, *outside, self.scrapes, 900_000)

    def accepts(self, sender: str) -> None:
        """Have Meta take one more message of a number."""
        label = f"label of {sender}"
        self.scrapes.by_label[label] = self.scrapes.by_label.get(label, 0) + 1


class Shared:
    """A world of two numbers."""

    def __init__(self, client: Redis) -> None:
        self.now_ms = START_MS
        self.registry = MemoryRegistry()
        self.ledger = MemoryLedger(Terms(), lambda: self.now_ms)
        self.hearing = RedisHearing(client)

    async def furnish(self) -> None:
        await self.registry.put(Portfolio(P1, 250))
        for sender in (QUIET, LOUD):
            await self.registry.put(Sender(sender, P1, WabaId("w"), "+1 555 0100"))

    async def look(self, *processes: Process, for_ms: int) -> None:
        """Have processes look as often as they do in this time."""
        for _ in range(for_ms // LOOK_MS):
            self.now_ms += LOOK_MS
            for each in processes:
                await each.ears.look_at_each()

    def silent(self) -> list[SenderId]:
        """Return of whose silence the ledger knows."""
        senders = self.ledger.slot(P1)[0].senders
        return [name for name, state in senders.items() if state.spec.is_silent]


async def test_a_silent_number_is_told_to_the_ledger_until_it_is_heard(redis_client: Redis) -> None:
    shared = Shared(redis_client)
    await shared.furnish()
    worker, api = Process(shared), Process(shared)
    await shared.look(worker, api, for_ms=LOOK_MS)
    for _ in range(3):
        worker.accepts(QUIET)
        worker.accepts(LOUD)
        api.ears.heard([LOUD])
        await shared.look(worker, api, for_ms=LOOK_MS)
    assert shared.silent() == []
    await shared.look(worker, api, for_ms=SILENT_MS)
    assert shared.silent() == [QUIET]
    assert silent_since_ms(shared.registry.directory.facts, QUIET) == START_MS + LOOK_MS
    later = Process(shared)  # the worker is gone; who is left says when the number is heard
    await shared.look(later, api, for_ms=SILENT_MS)
    assert shared.silent() == [QUIET]
    api.ears.heard([QUIET])
    await shared.look(later, api, for_ms=LOOK_MS)
    assert shared.silent() == []
    assert silent_since_ms(shared.registry.directory.facts, QUIET) == 0


async def test_a_number_that_is_spoken_of_between_two_looks_is_not_silent(
    redis_client: Redis,
) -> None:
    shared = Shared(redis_client)
    await shared.furnish()
    worker, api = Process(shared), Process(shared)
    await shared.look(worker, api, for_ms=LOOK_MS)
    worker.accepts(QUIET)
    api.ears.heard([QUIET])
    await shared.look(api, worker, for_ms=2 * SILENT_MS)
    assert shared.silent() == []


async def test_a_number_that_sends_nothing_is_not_silent(redis_client: Redis) -> None:
    shared = Shared(redis_client)
    await shared.furnish()
    worker = Process(shared)
    await shared.look(worker, for_ms=2 * SILENT_MS)
    assert shared.silent() == []
