"""The service window of a person who has several ids: whichever of them wrote, each is answered."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_people import OWNER, QUOTA
from tests.e2e.test_template_changes import ended, post
from tests.e2e.test_world import post as post_webhook
from tests.e2e.test_world import until
from tests.e2e.whole_house import LOOK_EVERY_S, SENDER, Whole, a_whole_house

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

NUMBER, USER = "4915100000001", "DE.13491208655302741918"
ANSWER = {"type": "text", "text": {"body": "At your service."}}
DAY_S = 86_400


def wrote(at_s: int, **whose: str) -> dict[str, Any]:
    """Return the news that a person with a number and a user id wrote."""
    message = {"id": f"wamid.{at_s}", "timestamp": str(at_s), "type": "text", **whose}
    value = {
        "metadata": {"phone_number_id": SENDER},
        "contacts": [{"wa_id": NUMBER, "user_id": USER}],
        "messages": [message | {"text": {"body": "Hi"}}],
    }
    return {"field": "messages", "value": value}


async def leads(whole: Whole) -> bool:
    """Return whether it is known that both ids are one person's."""
    key = whole.house.recipients.key
    return bool(await whole.house.persons.people.leads(OWNER, [key(USER)]))


async def test_who_writes_under_a_user_id_is_answered_under_it_though_the_number_is_known(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        long_ago_s = int(time.time()) - 2 * DAY_S
        person = {"from": NUMBER, "from_user_id": USER}
        await post_webhook(whole, wrote(long_ago_s, **person), at_s=long_ago_s)
        folding = whole.house.folding
        assert folding is not None
        await until(whole, lambda _: folding.results["messages", "folded"] == 1)
        assert await leads(whole)
        early = await ended(whole, await post(whole, USER, message=ANSWER))
        assert (early["state"], early["code"]) == ("failed", 131047)
        await whole.control("POST", "inbound", {"phone_number_id": SENDER, "from": USER})
        await until(whole, lambda _: folding.results["messages", "folded"] == 2)
        answered = await ended(whole, await post(whole, USER, message=ANSWER))
        assert answered["state"] == "accepted"
        assert (await whole.call("GET", QUOTA))["used"] == 0
        assert whole.report().clean, whole.report().violations


async def test_whose_number_is_told_after_they_wrote_is_answered_under_the_user_id_as_before(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        folding = whole.house.folding
        assert folding is not None
        await whole.control("POST", "inbound", {"phone_number_id": SENDER, "from": USER})
        await until(whole, lambda _: folding.results["messages", "folded"] == 1)
        first = await ended(whole, await post(whole, USER, message=ANSWER))
        assert first["state"] == "accepted"
        both = {"contacts": [{"wa_id": NUMBER, "user_id": USER}]}
        value = {"metadata": {"phone_number_id": SENDER}, **both}
        await post_webhook(whole, {"field": "messages", "value": value})
        async with asyncio.timeout(20):
            while not await leads(whole):
                await asyncio.sleep(LOOK_EVERY_S)
        second = await ended(whole, await post(whole, USER, message=ANSWER))
        assert (second["state"], (await whole.call("GET", QUOTA))["used"]) == ("accepted", 0)
        assert whole.report().clean, whole.report().violations


async def test_a_stop_follows_a_person_to_a_new_number_and_so_does_the_user_id(
    server_url: str, tmp_path: Path
) -> None:
    after = "4915100000002"
    async with a_whole_house(server_url, tmp_path) as whole:
        now_s = int(time.time())
        await post_webhook(whole, wrote(now_s, **{"from": NUMBER, "from_user_id": USER}))
        await whole.control("POST", "preferences", {"phone_number_id": SENDER, "recipient": NUMBER})
        path = f"/v1/suppressions/+{NUMBER}"
        await until(whole, lambda each: bool(each["suppressions"]), path)
        changed = {"type": "user_changed_number", "wa_id": after, "user_id": USER}
        system = {"id": "wamid.2", "timestamp": str(now_s), "type": "system", "from": NUMBER}
        value = {
            "metadata": {"phone_number_id": SENDER},
            "messages": [system | {"system": changed}],
        }
        await post_webhook(whole, {"field": "messages", "value": value})
        path = f"/v1/suppressions/+{after}"
        await until(whole, lambda each: bool(each["suppressions"]), path)
        assert (await ended(whole, await post(whole, f"+{after}")))["state"] == "suppressed"
        key = whole.house.recipients.key
        async with asyncio.timeout(20):
            while await whole.house.persons.people.leads(OWNER, [key(USER)]) != {
                key(USER): key(after)
            }:
                await asyncio.sleep(LOOK_EVERY_S)
        assert whole.report().accepted == 0


async def test_a_window_that_meta_says_is_closed_is_closed_here_until_the_person_writes(
    server_url: str, tmp_path: Path
) -> None:
    """We heard that they wrote an hour ago; of Meta's own books that is not so."""
    async with a_whole_house(server_url, tmp_path) as whole:
        hour_ago_s = int(time.time()) - 3_600
        await post_webhook(whole, wrote(hour_ago_s, **{"from": NUMBER}), at_s=hour_ago_s)
        folding = whole.house.folding
        assert folding is not None
        await until(whole, lambda _: folding.results["messages", "folded"] == 1)
        for _ in range(2):
            refused = await ended(whole, await post(whole, f"+{NUMBER}", message=ANSWER))
            assert (refused["state"], refused["code"]) == ("failed", 131047)
            assert whole.report().errors == {"131047": 1}  # the second one ended at our gate
        await whole.control("POST", "inbound", {"phone_number_id": SENDER, "from": NUMBER})
        await until(whole, lambda _: folding.results["messages", "folded"] == 2)
        answered = await ended(whole, await post(whole, f"+{NUMBER}", message=ANSWER))
        assert answered["state"] == "accepted"
