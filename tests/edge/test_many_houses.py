"""Several processes do everything at once: in the end ledger and registry say the same to all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random

import pytest
from redis.asyncio import Redis

from adapters.meta.news import Template as Named
from adapters.meta.news import TemplateCategoryChanged, TemplateStatusChanged
from engine.campaign_wishes import CampaignWish
from engine.changes import CampaignChange
from engine.directory import Campaign, Journey, Template
from engine.errors import InvalidJobError
from engine.journeys import JourneyWish
from engine.model import SourceState, TemplateStatus, WabaId
from tests.edge.two_houses import House, a_house
from tests.front_desk import NOW_MS, SENDER, WABA, a_message

OFFER = Named(waba=WabaId(WABA), name="offer", language="en_US")
ROUNDS = 30
LAGS_S = (0.0, 0.0, 0.0, 0.0, 0.001, 0.008)
Act = Callable[[], Awaitable[object]]


@pytest.fixture
async def houses(redis_client: Redis, server_url: str) -> AsyncIterator[list[House]]:
    """Four processes; one has made a campaign and a journey."""
    del redis_client  # it emptied the server
    made = [a_house(server_url) for _ in range(4)]
    await made[0].furnish()
    message = a_message("{{name}}", "{{code}}")
    await made[0].campaigns.create(CampaignWish("c1", "Autumn", [SENDER], message))
    await made[0].journeys.put(JourneyWish("j1"))
    yield made
    for each in made:
        await each.close()


def acts_of(house: House, rng: Random) -> list[Act]:
    """Return what one process may be asked for next."""
    status = rng.choice([TemplateStatus.PAUSED, TemplateStatus.APPROVED, TemplateStatus.PENDING])
    at_ms = NOW_MS + rng.randrange(100) * 1_000
    news = TemplateStatusChanged(template=OFFER, event=status, status=status, at_ms=at_ms)
    category = rng.choice(["UTILITY", "MARKETING"])
    judged = TemplateCategoryChanged(template=OFFER, current=category, coming="", at_ms=at_ms)
    move = rng.choice(["start", "pause", "resume"])
    weight = rng.randrange(1, 9)
    return [
        lambda: house.campaigns.move("c1", move),
        lambda: house.patches.change("c1", CampaignChange(weight=weight)),
        lambda: house.journeys.move("j1", rng.choice(["pause", "resume"])),
        lambda: house.journeys.put(JourneyWish("j1", weight=weight)),
        lambda: house.folding.note(news),
        lambda: house.folding.note(judged),
    ]


async def act(house: House, rng: Random) -> None:
    with suppress(InvalidJobError):  # as it stood then, that could not be
        await rng.choice(acts_of(house, rng))()


async def as_known_to(house: House) -> tuple[Campaign, Journey, Template]:
    return await house.campaign(), await house.journey(), await house.template()


async def say_the_same(houses: list[House]) -> Campaign:
    campaign, journey, template = await as_known_to(houses[0])
    for each in houses[1:]:
        assert await as_known_to(each) == (campaign, journey, template)
    assert await houses[0].state(campaign.source) == campaign.state
    assert await houses[0].state(journey.source) == journey.state
    assert await houses[0].gate() == template.status
    return campaign


@pytest.mark.parametrize("seed", range(3))
async def test_all_say_the_same_after_each_round(houses: list[House], seed: int) -> None:
    rngs = [Random(f"{seed}-{at}") for at in range(len(houses))]
    for house, rng in zip(houses, rngs, strict=True):
        house.between.lag_s = partial(rng.choice, LAGS_S)
    for _ in range(ROUNDS):
        await asyncio.gather(*(act(*each) for each in zip(houses, rngs, strict=True)))
        await say_the_same(houses)
    cancels = houses[0].campaigns.move("c1", "cancel")
    await asyncio.gather(cancels, *(act(*each) for each in zip(houses, rngs, strict=True)))
    assert (await say_the_same(houses)).state is SourceState.CANCELLED
