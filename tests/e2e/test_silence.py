"""Webhooks fall silent: that is raised, doubts wait and codes go on; and it ends with a status."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from adapters.house import listening
from adapters.sandbox.webhooks import postman
from tests.e2e.test_quality_guard import PORTFOLIO, TEMPLATES, furnish
from tests.e2e.test_template_changes import ended, post
from tests.e2e.test_world import told, until
from tests.e2e.whole_house import LOOK_EVERY_S, SENDER, Whole, a_message, a_whole_house, a_world
from tests.redis_servers import free_port

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

PATH = f"/v1/senders/{SENDER}"
ORDER, CODE, PARCEL = "+4915100000001", "+4915100000002", "+4915100000003"
FIRST, LAST = "+4915100000008", "+4915100000009"
TAKEN = {"kind": "silence", "recipients": [ORDER], "times_max": 1}  # and its answer is lost
NOT_TAKEN = {"kind": "server_error", "recipients": [CODE, PARCEL], "times_max": 2}


async def send(whole: Whole, to: str, template: str = "update") -> str:
    return await post(whole, to, message=a_message("A", name=template))


def call_at(whole: Whole, url: str) -> None:
    """Have Meta call another address, also for what it could not deliver until now."""
    desk = whole.sandbox.stage.postman
    desk.plan = msgspec.structs.replace(desk.plan, url=url)


def writes(whole: Whole, to: str) -> int:
    """Return how many messages to somebody Meta took."""
    kept = whole.sandbox.stage.tally.messages
    return sum(each.recipient == to.removeprefix("+") for each in kept)


def was_silent(shown: dict[str, Any]) -> bool:
    return told(shown).get("webhooks") == "silent"


async def in_doubt(whole: Whole, place: str) -> None:
    async with asyncio.timeout(20):
        while (await whole.call("GET", place))["state"] != "in_doubt":
            await asyncio.sleep(LOOK_EVERY_S)


async def test_a_broken_callback_is_raised_and_repeats_nothing_but_codes_until_it_works_again(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(postman, "BACKOFF_MAX_MS", 100)
    world = a_world(templates=TEMPLATES, portfolios=PORTFOLIO, webhook={"retries_max": 1_000})
    settings = {"silence_seconds": 4, "doubt_seconds": 1}
    with capture_logs() as lines:
        async with a_whole_house(server_url, tmp_path, world, furnish=furnish, **settings) as whole:
            right = whole.sandbox.stage.postman.plan.url
            call_at(whole, f"http://127.0.0.1:{free_port()}/webhooks/meta")
            await ended(whole, await send(whole, FIRST))
            shown = await until(whole, was_silent, PATH)
            assert shown["told"]["webhooks"]["source"] == "noticed"
            await whole.control("POST", "faults", {"faults": [TAKEN, NOT_TAKEN]})
            order = await send(whole, ORDER)
            await in_doubt(whole, order)  # and stays so: longer than its doubt time
            code = await send(whole, CODE, "code")
            assert (await ended(whole, code))["state"] == "accepted"  # it was written once more
            why = await whole.call("GET", f"/v1/why/{order.rpartition('/')[2]}")
            assert any("webhooks tell nothing of" in note for note in why["notes"])
            assert (await whole.call("GET", order))["state"] == "in_doubt"
            assert writes(whole, ORDER) == 1
            call_at(whole, right)
            shown = await ended(whole, order)  # what Meta could not deliver comes now
            assert (shown["state"], writes(whole, ORDER)) == ("accepted", 1)
            await until(whole, lambda each: not was_silent(each), PATH)
            parcel = await send(whole, PARCEL)  # a doubt of which nothing will ever be told
            assert (await ended(whole, parcel))["state"] == "accepted"
            assert (writes(whole, PARCEL), whole.report().duplicates) == (1, 0)
            assert whole.report().clean, whole.report().violations
    events = [line["event"] for line in lines]
    assert events.count("webhooks_silent") == events.count("webhooks_heard") == 1
    changes = [
        line["now"]
        for line in lines
        if line["event"] == "sender_changed" and line["aspect"] == "webhooks"
    ]
    assert changes == ["silent", ""]
