"""Every field of Meta's webhooks, damaged in every place, through the signed door of a whole house.

Each damaged piece of news comes in the company of good ones: all of those must be in force after.
"""

import asyncio
import copy
import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from engine.model import PortfolioId
from tests.e2e.test_world import a_job, until
from tests.e2e.whole_house import APP_SECRET, PORTFOLIO, SENDER, WABA, Whole, a_whole_house
from tests.edge.meta_graph import RECORDED

pytestmark = [
    pytest.mark.usefixtures("redis_client"),
    pytest.mark.one_server,
    pytest.mark.timeout(300),
]

THEIRS = {"102290129340398": WABA, "106540352242922": SENDER, "15550783881": "15550100"}
ODD: tuple[Any, ...] = (
    *(None, True, 7, -1, 0.5, 10**30, "", "x", "A_NEW_WORD", "9" * 5_000, "x" * 70_000),
    *("\x00\u2028\U0001f600", [], [None], {}, {"x": 1}, [["x"]]),
)
TOGETHER = 100  # changes in a body: a bad one has good ones before and after it


def recorded_changes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the news of each recorded webhook, about our own account, number and template."""
    for path in sorted(RECORDED.glob("*.json")):
        text = path.read_text()
        for theirs, ours in THEIRS.items():
            text = text.replace(theirs, ours)
        body = msgspec.json.decode(text.replace("welcome_template", "offer"))
        for entry in body.get("entry", ()):
            for change in entry["changes"]:
                yield path.stem, change


def places_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 (JSON)
    """Yield the way to each part of a piece of news."""
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for name, child in children:
        yield (*path, name)
        if isinstance(child, dict | list):
            yield from places_of(child, (*path, name))


def damaged(change: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a piece of news with each part missing, odd, or with something new beside it."""
    for path in places_of(change):
        for odd in (*ODD, damaged):
            broken = copy.deepcopy(change)
            holder: Any = broken
            for name in path[:-1]:
                holder = holder[name]
            if odd is damaged:
                del holder[path[-1]]
            else:
                holder[path[-1]] = odd
            yield broken
    yield change | {"new": [1]}


def good(place: int) -> dict[str, Any]:
    """Return a piece of news that is right: where it was folded is seen by its word."""
    value = {"display_phone_number": "15550100", "event": f"GOOD_{place}"}
    return {"field": "security", "value": value}


async def post(whole: Whole, changes: list[dict[str, Any]], at_s: int) -> None:
    entry = {"id": WABA, "time": at_s, "changes": changes}
    body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})
    digest = hmac.digest(APP_SECRET.encode(), body, "sha256").hex()
    headers = {"X-Hub-Signature-256": f"sha256={digest}"}
    async with whole.session.post(whole.url + "/webhooks/meta", data=body, headers=headers) as seen:
        assert seen.status == 200


async def test_no_damage_to_any_field_loses_what_comes_with_it(
    server_url: str, tmp_path: Path
) -> None:
    names = {name for name, _ in recorded_changes()}
    assert len(names) >= 36
    with capture_logs() as lines:
        async with a_whole_house(server_url, tmp_path) as whole:
            folding = whole.house.folding
            assert folding is not None
            at_s, posted = int(time.time()) - 10_000, 0
            for _, change in recorded_changes():
                every = list(damaged(change))
                for first in range(0, len(every), TOGETHER):
                    posted += 1
                    await post(
                        whole, [*every[first : first + TOGETHER], good(posted)], at_s + posted
                    )
            async with asyncio.timeout(180):
                while await whole.house.inbox.length():
                    await asyncio.sleep(0.05)
            assert folding.results["other", "broken"] == 0
            assert folding.results["security", "folded"] >= posted
            shown = await whole.call("GET", f"/v1/senders/{SENDER}")
            assert shown["told"]["security"]["value"] == f"GOOD_{posted}"
            essays = [name for name in whole.house.registry.directory.templates if len(name) > 700]
            assert essays == []  # nothing bears the name of an essay
            assert await whole.house.ledger.audit(PortfolioId(PORTFOLIO)) == []
            await whole.call("POST", f"/v1/wabas/{WABA}/open", {})
            await whole.call("POST", f"/v1/senders/{SENDER}/refresh", {})
            job = await a_job(whole, 1)
            await until(whole, lambda each: each["state"] == "accepted", f"/v1/jobs/{job}")
    assert [each for each in lines if each["event"] == "loop_failed"] == []
