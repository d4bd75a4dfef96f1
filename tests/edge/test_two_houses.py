"""What one process changes of a record while another one changes it is never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.house.template_doubts import TemplateDoubts
from adapters.meta.news import Template as Named
from adapters.meta.news import (
    TemplateCategoryChanged,
    TemplateEdited,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from engine.campaign_wishes import CampaignWish
from engine.changes import CampaignChange
from engine.errors import InvalidJobError
from engine.events import GateClosed
from engine.facts import Fact, Source, of_portfolio, of_sender
from engine.journeys import JourneyWish
from engine.model import Category, Gate, Priority, SourceState, TemplateStatus, WabaId
from engine.senders import LIMIT, THROUGHPUT
from engine.template_checks import Draft
from tests.builders import put_in_force
from tests.edge.two_houses import KEY, NUMBER, Action, House, P, a_house
from tests.front_desk import NOW_MS, SENDER, WABA, a_message

OFFER = Named(waba=WabaId(WABA), name="offer", language="en_US")
PAUSED, APPROVED = TemplateStatus.PAUSED, TemplateStatus.APPROVED
TEMPLATES, CAMPAIGNS = "ps:registry:templates", "ps:registry:campaigns"
JOURNEYS, SENDERS, PORTFOLIOS = (
    "ps:registry:journeys",
    "ps:registry:senders",
    "ps:registry:portfolios",
)
Houses = tuple[House, House]


@pytest.fixture
async def houses(redis_client: Redis, server_url: str) -> AsyncIterator[Houses]:
    """Two processes that know a portfolio, a number, a template, a campaign and a journey."""
    del redis_client  # it emptied the server
    here, there = a_house(server_url), a_house(server_url)
    await here.furnish()
    await there.registry.refresh()
    await here.campaigns.create(a_wish())
    await here.journeys.put(JourneyWish("j1"))
    await there.registry.refresh()
    yield here, there
    assert here.between.is_over, "nobody came between"
    for house in (here, there):
        await house.close()


def a_wish(**changes: object) -> CampaignWish:
    made: dict[str, Any] = {"id": "c1", "name": "Autumn", "senders": [SENDER]}
    made |= {"message": a_message("{{name}}", "{{code}}")} | changes
    return CampaignWish(**made)


def news(status: TemplateStatus, at_ms: int = NOW_MS) -> TemplateStatusChanged:
    return TemplateStatusChanged(template=OFFER, event=status.value, status=status, at_ms=at_ms)


async def test_a_rate_that_meta_told_leaves_the_rest_of_a_number(houses: Houses) -> None:
    here, there = houses
    sender = there.registry.directory.senders[NUMBER]
    here.between.put(SENDERS, lambda: there.registry.put(replace(sender, alias="shop")))
    await here.keeper.tell(Fact(of_sender(NUMBER, THROUGHPUT), "40", 5, Source.WEBHOOK))
    await there.registry.refresh()
    sender = there.registry.directory.senders[NUMBER]
    assert (sender.throughput, sender.alias) == (40, "shop")


async def test_a_limit_that_meta_told_leaves_the_rest_of_a_portfolio(houses: Houses) -> None:
    here, there = houses
    portfolio = there.registry.directory.portfolios[P]
    here.between.put(PORTFOLIOS, lambda: there.registry.put(replace(portfolio, headroom=0.1)))
    await here.keeper.tell(Fact(of_portfolio(P, LIMIT), "1000", 5, Source.WEBHOOK))
    await there.registry.refresh()
    portfolio = there.registry.directory.portfolios[P]
    assert (portfolio.messaging_limit, portfolio.headroom) == (1_000, 0.1)


class Doubting:
    """Of a house what doubts about templates need; what it keeps up is done once."""

    def __init__(self, house: House) -> None:
        self.registry, self.clock = house.registry, house
        self.steps: list[Any] = []

    def keep(self, _name: str, step: object) -> None:
        self.steps.append(step)

    def emit(self, event: object) -> None:
        """Tell nobody."""


async def test_a_doubt_about_a_template_leaves_its_news(houses: Houses) -> None:
    here, there = houses
    house: Any = Doubting(here)
    doubts = TemplateDoubts(house)
    here.between.put(TEMPLATES, lambda: there.folding.note(news(PAUSED)))
    doubts.emit(GateClosed(P, Gate.TEMPLATE, f"{NUMBER}|{KEY}"))
    await house.steps[0]()
    template = await there.template()
    assert (template.status, template.stale_since_ms) == (PAUSED, NOW_MS)


async def test_news_of_a_template_leave_other_news_of_it(houses: Houses) -> None:
    here, there = houses
    quality = TemplateQualityChanged(template=OFFER, quality="RED", at_ms=NOW_MS)
    here.between.put(TEMPLATES, lambda: there.folding.note(news(PAUSED)))
    await here.folding.note(quality)
    template = await there.template()
    assert (template.status, template.quality) == (PAUSED, "RED")
    assert await here.gate() == "PAUSED"


async def test_older_news_of_a_template_never_undo_newer_ones(houses: Houses) -> None:
    here, there = houses
    here.between.put(TEMPLATES, lambda: there.folding.note(news(PAUSED, NOW_MS + 120_000)))
    await here.folding.note(news(APPROVED, NOW_MS + 1_000))
    assert (await there.template()).status is PAUSED
    assert await here.gate() == "PAUSED"


async def test_a_gate_that_closes_while_another_opens_it_is_closed(houses: Houses) -> None:
    here, there = houses
    await here.folding.note(news(PAUSED, NOW_MS - 120_000))
    await there.registry.refresh()

    async def closes() -> None:  # after the opening was written down, and before the gate hears
        await there.folding.note(news(PAUSED, NOW_MS + 120_000))

    here.between.put("ps:registry:templates", lambda: _on_gate(here, closes))
    await here.folding.note(news(APPROVED))
    assert (await there.template()).status is PAUSED
    assert await here.gate() == "PAUSED"


async def _on_gate(house: House, action: Action) -> None:
    house.between.put(KEY, action)  # the next script that names the template


async def test_who_writes_a_draft_leaves_what_was_told_meanwhile(houses: Houses) -> None:
    here, there = houses
    body = {"type": "BODY", "text": "Hi {{1}}, you.", "example": {"body_text": [["Ada"]]}}
    here.between.put(TEMPLATES, lambda: there.folding.note(news(PAUSED)))
    await here.desk.write(WABA, Draft("offer", "en_US", "MARKETING", [body]))
    template = await there.template()
    assert template.status is PAUSED
    assert template.draft is not None


async def test_a_new_category_leaves_a_pause_of_its_campaigns(houses: Houses) -> None:
    here, there = houses
    await there.campaigns.move("c1", "start")
    await here.registry.refresh()
    here.between.put(CAMPAIGNS, lambda: there.campaigns.move("c1", "pause"))
    await here.folding.note(
        TemplateCategoryChanged(template=OFFER, current="UTILITY", coming="", at_ms=NOW_MS)
    )
    campaign = await there.campaign()
    assert (campaign.state, campaign.category) == (SourceState.PAUSED, Category.UTILITY)
    assert await here.state("campaign:c1") == "paused"


async def test_a_stop_by_a_template_leaves_a_cancel(houses: Houses) -> None:
    here, there = houses
    await there.campaigns.move("c1", "start")
    await here.registry.refresh()
    here.between.put(CAMPAIGNS, lambda: there.campaigns.move("c1", "cancel"))
    pending = replace(await here.template(), status=TemplateStatus.PENDING)
    await put_in_force(here.changes, pending, is_edit=True)
    assert (await there.campaign()).state is SourceState.CANCELLED
    assert await here.state("campaign:c1") == "cancelled"


async def test_a_stop_by_a_template_comes_back_when_it_is_approved_meanwhile(
    houses: Houses,
) -> None:
    here, there = houses
    await there.campaigns.move("c1", "start")
    await here.registry.refresh()
    template = await here.template()
    here.between.put(
        CAMPAIGNS, lambda: put_in_force(there.changes, replace(template, status=APPROVED))
    )
    await put_in_force(here.changes, replace(template, status=TemplateStatus.PENDING), is_edit=True)
    campaign = await there.campaign()
    assert (campaign.state, campaign.stopped_by) == (SourceState.RUNNING, "")
    assert (await here.state("campaign:c1"), await here.gate()) == ("running", "APPROVED")


async def test_no_start_follows_a_cancel(houses: Houses) -> None:
    here, there = houses
    here.between.put(CAMPAIGNS, lambda: there.campaigns.move("c1", "cancel"))
    with pytest.raises(InvalidJobError, match="cancelled cannot start"):
        await here.campaigns.move("c1", "start")
    assert (await there.campaign()).state is SourceState.CANCELLED
    assert await here.state("campaign:c1") == "cancelled"


async def test_a_pause_of_a_campaign_that_was_stopped_meanwhile_leaves_it_stopped(
    houses: Houses,
) -> None:
    here, there = houses
    await there.campaigns.move("c1", "start")
    pending = replace(await there.template(), status=TemplateStatus.PENDING)
    here.between.put(CAMPAIGNS, lambda: put_in_force(there.changes, pending, is_edit=True))
    with pytest.raises(InvalidJobError, match="stopped cannot pause"):
        await here.campaigns.move("c1", "pause")
    campaign = await here.campaign()
    assert (campaign.state, campaign.stopped_by) == (SourceState.STOPPED, KEY)
    assert await here.state("campaign:c1") == "stopped"


async def test_of_two_who_create_a_campaign_one_has_made_it(houses: Houses) -> None:
    here, there = houses

    async def begins() -> None:
        await there.campaigns.create(a_wish(id="c2", name="Winter"))
        await there.campaigns.move("c2", "start")

    here.between.put(CAMPAIGNS, begins)
    with pytest.raises(InvalidJobError) as caught:
        await here.campaigns.create(a_wish(id="c2", name="Spring"))
    assert caught.value.code == "conflict"
    await here.registry.refresh()
    campaign = here.registry.directory.campaigns["c2"]
    assert (campaign.name, campaign.state) == ("Winter", SourceState.RUNNING)
    assert await here.state("campaign:c2") == "running"


async def test_a_change_of_a_campaign_leaves_another_one(houses: Houses) -> None:
    here, there = houses
    named = CampaignChange(name="Winter")
    here.between.put(CAMPAIGNS, lambda: there.patches.change("c1", named))
    with pytest.raises(InvalidJobError) as caught:
        await here.patches.change("c1", CampaignChange(weight=5))
    assert caught.value.code == "conflict"
    await here.patches.change("c1", CampaignChange(weight=5))  # as it was told to
    campaign = await there.campaign()
    assert (campaign.name, campaign.weight) == ("Winter", 5)


async def test_a_change_of_a_campaign_leaves_a_pause(houses: Houses) -> None:
    here, there = houses
    await there.campaigns.move("c1", "start")
    await here.registry.refresh()
    here.between.put(CAMPAIGNS, lambda: there.campaigns.move("c1", "pause"))
    await here.patches.change("c1", CampaignChange(weight=5))
    campaign = await there.campaign()
    assert (campaign.state, campaign.weight) == (SourceState.PAUSED, 5)
    assert await here.state("campaign:c1") == "paused"


async def test_a_change_that_another_one_overtook_leaves_the_campaign_running(
    houses: Houses,
) -> None:
    """It held what leaves for as long as it took, and what it held goes on at once."""
    here, there = houses
    await there.campaigns.move("c1", "start")
    await here.registry.refresh()
    here.between.put(
        SourceState.SCHEDULED, lambda: there.patches.change("c1", CampaignChange(weight=5))
    )
    with pytest.raises(InvalidJobError, match="changed meanwhile"):
        await here.patches.change("c1", CampaignChange(priority=Priority.UTILITY))
    assert (await here.campaign()).weight == 5
    assert await here.state("campaign:c1") == "running"


async def test_who_dies_while_he_holds_a_campaign_leaves_it_paused(
    houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hold ends by itself, and what was paused meanwhile must not begin with that."""
    here, there = houses
    await there.campaigns.move("c1", "start")
    await here.registry.refresh()

    async def dies(*_what: object) -> int:
        raise asyncio.CancelledError

    monkeypatch.setattr(here.ledger, "put_content", dies)
    here.between.put(SourceState.SCHEDULED, lambda: there.campaigns.move("c1", "pause"))
    with pytest.raises(asyncio.CancelledError):
        await here.patches.change("c1", CampaignChange(priority=Priority.UTILITY))
    assert await here.state("campaign:c1") == "paused"


async def test_a_change_of_a_journey_leaves_a_pause(houses: Houses) -> None:
    here, there = houses
    here.between.put(JOURNEYS, lambda: there.journeys.move("j1", "pause"))
    await here.journeys.put(JourneyWish("j1", weight=3))
    journey = await there.journey()
    assert (journey.state, journey.weight) == (SourceState.PAUSED, 3)
    assert await here.state("journey:j1") == "paused"


async def test_a_move_of_a_journey_leaves_a_change(houses: Houses) -> None:
    here, there = houses
    here.between.put(JOURNEYS, lambda: there.journeys.put(JourneyWish("j1", weight=3)))
    await here.journeys.move("j1", "pause")
    journey = await there.journey()
    assert (journey.state, journey.weight) == (SourceState.PAUSED, 3)


async def test_an_edit_leaves_news_that_meta_told_meanwhile_elsewhere(houses: Houses) -> None:
    here, there = houses
    here.between.put(TEMPLATES, lambda: there.folding.note(news(PAUSED)))
    await here.folding.note(TemplateEdited(template=OFFER, at_ms=NOW_MS))
    template = await there.template()
    assert (template.status, bool(template.stale_since_ms)) == (PAUSED, True)
