"""Quality falls while a campaign goes on: pauses hold it, the last word ends it; a number slows."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.test_limits import stands
from tests.e2e.test_world import until
from tests.e2e.whole_house import ENDS, PORTFOLIO, SENDER, Whole, a_whole_house, a_world, rows

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

WIDE = [{"id": PORTFOLIO, "limit": -1}]
OFFER = "/v1/wabas/waba-1/templates/offer/en_US"
NUMBER = f"/v1/senders/{SENDER}"


async def begin(whole: Whole, people: int) -> None:
    await whole.call("PUT", f"/v1/portfolios/{PORTFOLIO}", {"messaging_limit": "UNLIMITED"})
    await whole.upload("c1", rows(people))
    await whole.call("POST", "/v1/campaigns/c1/start", {})


async def test_a_template_that_people_complain_of_goes_on_after_a_pause_and_is_held_by_the_next(
    server_url: str, tmp_path: Path
) -> None:
    """The first pause ends by itself; the second stays until the test has looked."""
    decay = {"messages_per_step": 5, "templates": ["offer"], "pauses_ms": [300, 600_000]}
    world = a_world(portfolios=WIDE, decays=[decay])
    async with a_whole_house(server_url, tmp_path, world) as whole:
        await begin(whole, 40)
        paused = await until(whole, lambda each: each["rejected_reason"] == "SECOND_PAUSE", OFFER)
        assert paused["status"] == "PAUSED"
        held = await whole.until("c1", lambda each: stands(each) == (20, {"template": 20}))
        assert held["state"] == "running"
        assert whole.report().clean


async def test_a_template_that_people_complain_of_after_its_last_pause_ends_its_campaigns(
    server_url: str, tmp_path: Path
) -> None:
    decay = {"messages_per_step": 5, "templates": ["offer"], "pauses_ms": [300]}
    world = a_world(portfolios=WIDE, decays=[decay])
    async with a_whole_house(server_url, tmp_path, world) as whole:
        await begin(whole, 40)
        # What was under way ends a moment after its campaign, what waits a moment before.
        await whole.until("c1", lambda each: sum(map(each["counts"].get, ENDS)) == 40)
        over = await whole.until("c1", lambda each: each["state"] == "cancelled")
        assert (over["counts"]["accepted"], over["counts"]["cancelled"]) == (20, 20)
        assert (await whole.call("GET", OFFER))["status"] == "DISABLED"
        assert whole.report().clean


@asynccontextmanager
async def a_disliked_number(url: str, directory: Path, share: float) -> AsyncGenerator[Whole]:
    """A number whose quality falls with every 20 messages; YELLOW leaves marketing this share."""
    decay = {"messages_per_step": 20, "phone_number_ids": [SENDER], "event": "QUALITY_FELL"}
    world = a_world(portfolios=WIDE, decays=[decay])
    async with a_whole_house(url, directory, world, yellow_share=share) as whole:
        await until(whole, lambda each: each["quality"] == "GREEN", NUMBER)
        yield whole
        assert whole.report().clean


async def test_a_number_that_people_complain_of_slows_its_marketing(
    server_url: str, tmp_path: Path
) -> None:
    async with a_disliked_number(server_url, tmp_path, 0.1) as whole:
        await begin(whole, 30)
        shown = await until(whole, lambda each: each["quality"] == "YELLOW", NUMBER)
        assert shown["quality_share"] == 0.1
        await whole.completed("c1")


async def test_a_number_that_people_complain_of_still_more_holds_its_marketing(
    server_url: str, tmp_path: Path
) -> None:
    async with a_disliked_number(server_url, tmp_path, 0.5) as whole:
        await begin(whole, 400)  # so many that some are left when a slow house hears of it
        await until(whole, lambda each: each["quality"] == "RED", NUMBER)
        held = await whole.until("c1", lambda each: "sender" in each["counts"]["waiting"])
        assert 40 <= held["counts"]["accepted"] < 400
