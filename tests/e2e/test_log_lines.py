"""One line for what matters and none for a message: ten times the messages, the same lines."""

from collections import Counter
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.e2e.whole_house import PORTFOLIO, SENDER, Whole, a_message, a_whole_house, a_world, rows

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

FEW, MANY = 10, 100


async def lines_of(whole: Whole, campaign: str, people: int, first: int) -> Counter[str]:
    """Send a campaign of so many until each status has come; return its lines, by their event."""
    body = {"id": campaign, "name": campaign, "senders": [SENDER], "message": a_message("{{name}}")}
    with capture_logs() as lines:
        await whole.call("POST", "/v1/campaigns", body)
        await whole.upload(campaign, rows(people, first=first))
        await whole.call("POST", f"/v1/campaigns/{campaign}/start")
        await whole.until(campaign, lambda its: its["delivery"]["delivered"] == people)
    told = [line for line in lines if line["log_level"] != "debug"]
    assert "+49151" not in str(told)
    return Counter(line["event"] for line in told)


async def test_the_lines_do_not_grow_with_the_messages(server_url: str, tmp_path: Path) -> None:
    limit = [{"id": PORTFOLIO, "limit": 1_000}]
    world = a_world(portfolios=limit, window_ms=60_000)
    async with a_whole_house(server_url, tmp_path, world) as whole:
        await whole.call("PUT", f"/v1/portfolios/{PORTFOLIO}", {"messaging_limit": 1_000})
        few = await lines_of(whole, "few", FEW, first=0)
        many = await lines_of(whole, "many", MANY, first=1_000)
        assert few["api_change"] == many["api_change"] > 0
        assert many.total() <= few.total() + 3, (few, many)
