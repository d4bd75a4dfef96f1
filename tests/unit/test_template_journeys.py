"""What a template's change does to journeys and direct callers: stop, come back, end."""

from dataclasses import replace

import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from engine.directory import Campaign, Journey, Portfolio, Sender, Template
from engine.journeys import Journeys, JourneyWish
from engine.model import (
    Category,
    Lane,
    PortfolioId,
    Priority,
    SenderId,
    SourceState,
    TemplateStatus,
    WabaId,
)
from engine.ports import Batch, PortfolioSpec, SenderSpec
from engine.template_changes import TemplateChanges
from engine.template_journeys import USED_MS
from engine.terms import Terms
from tests.builders import a_row, put_in_force

START_MS = 1_780_000_000_000
P, KEY = PortfolioId("p"), "w/offer/en"
TEXT: list[dict[str, object]] = [{"type": "BODY", "text": "Hi {{1}}."}]
OTHER: list[dict[str, object]] = [{"type": "BODY", "text": "Hello {{1}}, {{2}}."}]
APPROVED, PENDING = TemplateStatus.APPROVED, TemplateStatus.PENDING
RUNNING, PAUSED, STOPPED = SourceState.RUNNING, SourceState.PAUSED, SourceState.STOPPED

Did = list[tuple[str, str, int]]


class House:
    """A template, a journey that sends it, and a direct caller."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.registry = MemoryRegistry()
        self.ledger = MemoryLedger(Terms(), lambda: self.now_ms)
        self.told: list[tuple[str, SourceState]] = []
        ports = (self.registry, self.ledger, self.ledger)
        self.journeys = Journeys(*ports, now_ms=lambda: self.now_ms)
        self.changes = TemplateChanges(
            *ports, self.ledger, now_ms=lambda: self.now_ms, moved=self._moved
        )

    async def _moved(self, source: Campaign | Journey) -> None:
        self.told.append((source.id, source.state))

    async def furnish(self, on_template_change: str = "resume") -> None:
        await self.registry.put(Portfolio(P, 250))
        await self.ledger.put_portfolio(P, PortfolioSpec(250))
        await self.registry.put(Sender(SenderId("1"), P, WabaId("w"), "+1"))
        await self.ledger.put_sender(P, SenderId("1"), SenderSpec(WabaId("w")))
        await self.put()
        await self.journeys.put(JourneyWish("j", on_template_change=on_template_change))

    async def queue(self, source: str, number: int = 1) -> str:
        lane = Lane(source, SenderId("1"), KEY, Priority.MARKETING)
        return (await self.ledger.enqueue([Batch(P, lane, [a_row(number)])]))[0].refused

    async def put(
        self,
        status: TemplateStatus = APPROVED,
        *,
        is_edit: bool = False,
        components: list[dict[str, object]] = TEXT,
    ) -> Did:
        marketing, waba = Category.MARKETING, WabaId("w")
        template = Template(waba, "offer", "en", marketing, status, components)
        touched = await put_in_force(self.changes, template, is_edit=is_edit)
        return [(each.source, each.did, each.jobs) for each in touched]

    @property
    def journey(self) -> Journey:
        return self.registry.directory.journeys["j"]


@pytest.fixture
async def house() -> House:
    house = House()
    await house.furnish()
    return house


async def test_an_edit_stops_the_journeys_that_use_it_and_approval_lets_them_go_on(
    house: House,
) -> None:
    await house.queue("journey:j")
    await house.queue("direct:api")
    expected = [("direct:api", "waits", 0), ("journey:j", "stopped", 0)]
    assert await house.put(PENDING, is_edit=True) == expected
    assert (house.journey.state, house.journey.stopped_by) == (STOPPED, KEY)
    assert await house.put() == [("journey:j", "resumed", 0)]
    assert (house.journey.state, house.journey.stopped_by) == (RUNNING, "")
    assert house.told == [("j", STOPPED), ("j", RUNNING)]


async def test_a_paused_one_comes_back_paused(house: House) -> None:
    await house.queue("journey:j")
    await house.journeys.move("j", "pause")
    await house.put(PENDING, is_edit=True)
    await house.put()
    assert house.journey.state is PAUSED


@pytest.mark.parametrize("later_ms", [USED_MS, USED_MS + 1])
async def test_one_uses_what_waits_or_what_it_sent_lately(house: House, later_ms: int) -> None:
    await house.queue("journey:j")
    job = house.ledger.slot(P)[0].lanes[1].queue.popleft()
    assert job.key.sequence == 1
    house.now_ms += later_ms
    stopped = [("journey:j", "stopped", 0)] if later_ms == USED_MS else []
    assert await house.put(PENDING, is_edit=True) == stopped


async def test_one_that_nobody_described_has_nothing_to_stop(house: House) -> None:
    await house.queue("journey:unknown")
    assert await house.put(PENDING, is_edit=True) == [("journey:unknown", "waits", 0)]
    assert await house.put() == []


@pytest.mark.parametrize("status", [TemplateStatus.PAUSED, TemplateStatus.REJECTED])
async def test_what_meta_stops_for_a_while_stops_no_journey(
    house: House, status: TemplateStatus
) -> None:
    await house.queue("journey:j")
    assert await house.put(status) == []
    assert house.journey.state is RUNNING


async def test_who_wants_to_stay_stopped_does_also_where_it_stayed_approved() -> None:
    house = House()
    await house.furnish(on_template_change="stay_stopped")
    await house.queue("journey:j")
    assert await house.put(components=OTHER) == [("journey:j", "stopped", 0)]
    assert await house.put(components=OTHER) == [("journey:j", "stays_stopped", 0)]
    await house.journeys.move("j", "resume")
    assert (house.journey.state, house.journey.stopped_by) == (RUNNING, "")
    assert await house.put(components=OTHER) == []


async def test_changed_words_stop_nobody_who_resumes_anyway(house: House) -> None:
    await house.queue("journey:j")
    assert await house.put(components=OTHER) == []


async def test_whoever_is_let_go_on_is_not_stopped_again_by_the_same_news(house: House) -> None:
    await house.queue("journey:j")
    await house.put(PENDING, is_edit=True)
    await house.journeys.move("j", "resume")
    assert await house.put(PENDING) == []
    assert house.journey.state is RUNNING


async def test_a_change_of_the_journey_leaves_it_stopped(house: House) -> None:
    await house.queue("journey:j")
    await house.put(PENDING, is_edit=True)
    await house.journeys.put(JourneyWish("j", weight=3))
    assert (house.journey.stopped_by, house.journey.stopped_from) == (KEY, RUNNING)
    assert (await house.journeys.status("j")).warnings == [
        f"stopped by a change of template {KEY}: it resumes when the template is approved again"
    ]


@pytest.mark.parametrize("status", [TemplateStatus.DISABLED, TemplateStatus.DELETED])
async def test_the_end_of_a_template_ends_what_waits_for_it_and_stops_for_good(
    house: House, status: TemplateStatus
) -> None:
    await house.queue("journey:j")
    await house.queue("journey:j", 2)
    await house.queue("direct:api")
    expected = [("journey:j", "stopped", 2), ("direct:api", "ended", 1)]
    assert await house.put(status) == expected
    assert await house.put(status) == []
    assert await house.queue("direct:api", 2) == "ended"
    assert await house.put() == []
    assert (house.journey.state, house.journey.stopped_by) == (STOPPED, KEY)
    status_now = await house.journeys.status("j")
    assert "resume it yourself" in status_now.warnings[0]
    assert status_now.counts.states == {"cancelled": 2}


async def test_a_deletion_in_review_leaves_it_stopped_for_good(house: House) -> None:
    await house.queue("journey:j")
    await house.put(PENDING, is_edit=True)
    assert await house.put(TemplateStatus.DELETED) == [("journey:j", "stays_stopped", 1)]
    assert await house.put() == []
    assert house.journey.state is STOPPED


async def test_two_journeys_of_which_one_was_stopped_by_a_person(house: House) -> None:
    await house.queue("journey:j")
    await house.journeys.move("j", "stop")
    assert await house.put(PENDING, is_edit=True) == []
    assert await house.put() == []
    assert replace(house.journey, created_at_ms=0).stopped_by == ""
    assert house.journey.state is STOPPED
