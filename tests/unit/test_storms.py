"""Error storms: when a campaign is paused by itself, and when it is left alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from adapters.memory.registry import MemoryRegistry
from engine.books import Counts, ZonedBooks
from engine.campaigns import Campaigns
from engine.directory import Campaign
from engine.imprints import Imprint, WatchedBooks
from engine.model import (
    Category,
    DeliveryStatus,
    Gate,
    JobState,
    PortfolioId,
    Priority,
    SourceState,
)
from engine.ports import Catalog, Contents, SourceSpec
from engine.storms import Storm, StormWatch

CAMPAIGN = Campaign(
    id="c1",
    name="Autumn",
    portfolio_id=PortfolioId("p1"),
    senders=(),
    message={},
    fields=(),
    templates=(),
    category=Category.MARKETING,
    priority=Priority.MARKETING,
    content=1,
    state=SourceState.RUNNING,
)


class Played:
    """A campaign's books, played: what failed and what was accepted so far."""

    def __init__(self) -> None:
        self.now_ms = 1_780_000_000_000
        self.failed = self.accepted = self.undelivered = self.delivered = 0
        self.waiting: dict[Gate, int] = {}
        self.queued = self.reads = 0
        self.stood: list[object] = []
        self.put: list[SourceState] = []
        self.storms: list[Storm] = []
        self.registry = MemoryRegistry()
        self.registry.directory.campaigns["c1"] = CAMPAIGN
        campaigns = Campaigns(
            self.registry,
            cast("Catalog", self),
            cast("Contents", self),
            cast("ZonedBooks", self),
            now_ms=lambda: self.now_ms,
            span_ms=86_700_000,
        )
        self.watch = StormWatch(
            campaigns,
            self.registry.directory,
            cast("WatchedBooks", self),
            now_ms=lambda: self.now_ms,
            told=self.storms.append,
        )

    async def imprints(self, portfolios: Sequence[PortfolioId]) -> list[Imprint]:
        """Tell another sequence whenever something is otherwise than it was."""
        stands = (self.failed, self.accepted, self.undelivered, self.delivered, self.queued)
        at = (*stands, *self.waiting.items())
        self.stood += [at] if at not in self.stood[-1:] else []
        return [Imprint(1, len(self.stood)) for _ in portfolios]

    async def counts(self, _portfolio: PortfolioId, _source: str) -> Counts:
        self.reads += 1
        states = {JobState.FAILED: self.failed, JobState.ACCEPTED: self.accepted}
        states[JobState.QUEUED] = self.queued
        told = {
            DeliveryStatus.UNDELIVERED: self.undelivered,
            DeliveryStatus.DELIVERED: self.delivered,
        }
        return Counts(10_000, states, self.waiting, told)

    async def put_source(self, _portfolio: PortfolioId, _source: str, spec: SourceSpec) -> None:
        self.put.append(spec.state)

    async def look(self, failed: int, accepted: int, after_ms: int = 5_000) -> SourceState:
        """Let so many end, look, and return the campaign's state."""
        self.failed, self.accepted = self.failed + failed, self.accepted + accepted
        self.now_ms += after_ms
        await self.watch.look()
        return self.registry.directory.campaigns["c1"].state

    async def hear(self, undelivered: int, delivered: int, accepted: int = 0) -> SourceState:
        """Let webhooks tell so much, look, and return the campaign's state."""
        self.undelivered, self.delivered = (
            self.undelivered + undelivered,
            self.delivered + delivered,
        )
        return await self.look(0, accepted)


async def test_a_storm_pauses_and_says_why() -> None:
    played = Played()
    assert await played.look(0, 1_000) is SourceState.RUNNING
    assert await played.look(49, 0) is SourceState.RUNNING
    assert await played.look(1, 50) is SourceState.PAUSED
    (storm,) = played.storms
    assert (storm.failed, storm.ended) == (50, 100)
    campaign = played.registry.directory.campaigns["c1"]
    assert campaign.paused_because == "50 of 100 messages failed within a minute"
    assert set(played.put) == {SourceState.PAUSED}


@pytest.mark.parametrize(
    ("failed", "accepted", "after_ms"),
    [
        pytest.param(40, 60, 5_000, id="less than half"),
        pytest.param(20, 0, 61_000, id="half, but slowly"),
        pytest.param(0, 0, 5_000, id="nothing"),
    ],
)
async def test_what_is_no_storm_goes_on(failed: int, accepted: int, after_ms: int) -> None:
    played = Played()
    for _ in range(20):
        assert await played.look(failed, accepted, after_ms) is SourceState.RUNNING


async def test_what_meta_takes_first_and_fails_later_is_a_storm_too() -> None:
    """131026, 131049 and 130472 come mostly by webhook."""
    played = Played()
    assert await played.hear(0, 900, accepted=1_000) is SourceState.RUNNING
    assert await played.hear(49, 0, accepted=60) is SourceState.RUNNING
    assert await played.hear(1, 40, accepted=40) is SourceState.PAUSED
    campaign = played.registry.directory.campaigns["c1"]
    assert campaign.paused_because == "50 of 100 messages failed within a minute"


@pytest.mark.parametrize(
    ("undelivered", "delivered", "accepted"),
    [
        pytest.param(60, 0, 200, id="many more are written, of which nothing is known yet"),
        pytest.param(60, 70, 0, id="nothing is written any more, most of it arrives"),
    ],
)
async def test_a_part_that_is_told_late_is_no_storm(
    undelivered: int, delivered: int, accepted: int
) -> None:
    played = Played()
    await played.hear(0, 0)
    for _ in range(5):
        state = await played.hear(undelivered, delivered, accepted)
        assert state is SourceState.RUNNING


@pytest.mark.parametrize("gate", [Gate.TEMPLATE, Gate.ACCOUNT, Gate.SENDER])
async def test_what_a_gate_holds_already_needs_no_pause_and_goes_on_by_itself(gate: Gate) -> None:
    """Held messages that Meta drops with 132015, an unpaid account (131042): it stands still."""
    played = Played()
    await played.hear(0, 0)
    played.waiting = {gate: 7}
    assert await played.hear(500, 0) is SourceState.RUNNING
    played.waiting = {}
    assert await played.hear(0, 0) is SourceState.RUNNING
    assert await played.hear(60, 0) is SourceState.PAUSED


async def test_one_number_of_several_that_is_closed_hides_no_storm_of_the_others() -> None:
    played = Played()
    played.waiting, played.queued = {Gate.SENDER: 7}, 9
    await played.hear(0, 0)
    assert await played.hear(60, 0) is SourceState.PAUSED


async def test_what_was_before_the_first_look_is_not_held_against_it() -> None:
    played = Played()
    assert await played.look(500, 0) is SourceState.RUNNING
    assert await played.look(0, 0) is SourceState.RUNNING


async def test_who_resumes_begins_a_new_minute() -> None:
    played = Played()
    await played.look(0, 0)
    assert await played.look(60, 0) is SourceState.PAUSED
    resumed = replace(played.registry.directory.campaigns["c1"], state=SourceState.RUNNING)
    played.registry.directory.campaigns["c1"] = resumed
    assert await played.look(0, 0) is SourceState.RUNNING
    assert await played.look(49, 0) is SourceState.RUNNING
    assert await played.look(1, 0) is SourceState.PAUSED


async def test_only_what_runs_is_looked_at() -> None:
    played = Played()
    await played.look(0, 0)
    paused = replace(CAMPAIGN, state=SourceState.PAUSED)
    played.registry.directory.campaigns["c1"] = paused
    assert await played.look(100, 0) is SourceState.PAUSED
    later = replace(CAMPAIGN, state=SourceState.SCHEDULED, start_at_ms=played.now_ms + 60_000)
    played.registry.directory.campaigns["c1"] = later
    assert await played.look(100, 0) is SourceState.SCHEDULED
    assert played.storms == []


async def test_books_of_a_portfolio_in_which_nothing_happens_are_read_once() -> None:
    """And the storm that comes after an hour of silence is seen at the first look."""
    played = Played()
    for _ in range(720):
        assert await played.look(0, 0) is SourceState.RUNNING
    assert played.reads == 1
    assert await played.look(60, 0) is SourceState.PAUSED
