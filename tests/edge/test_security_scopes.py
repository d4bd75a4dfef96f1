"""S10, seen from one portfolio: what the house stopped, nodes of others, and the Console."""

import json

import pytest

from tests.e2e.test_world import until
from tests.e2e.whole_house import PORTFOLIO, SENDER
from tests.edge.test_security_portfolios import (
    OTHER,
    OTHER_SENDER,
    OTHER_WABA,
    PERSON,
    Houses,
    houses,
    plain,
    stops,
)

__all__ = ["houses"]  # the fixture of these tests, too

pytestmark = [
    pytest.mark.usefixtures("redis_client"),
    pytest.mark.one_server,  # who may what is decided by the API
]


async def test_s10_what_the_house_stopped_everywhere_no_portfolio_lifts_for_itself(
    houses: Houses,
) -> None:
    path = f"/v1/suppressions/{PERSON}"
    await houses.whole.call("PUT", path, {})
    everywhere = {(PORTFOLIO, "all"), (OTHER, "all")}
    assert (await houses.call("PUT", path, {"category": "marketing"}, houses.key))[0] == 200
    status, text = await houses.call("DELETE", path, None, houses.key)
    assert (status, '"ordered_everywhere"' in text) == (409, True)
    assert await stops(houses, PERSON) == everywhere | {(PORTFOLIO, "marketing")}
    assert (await houses.call("DELETE", f"{path}?category=marketing", None, houses.key))[0] == 200
    assert await stops(houses, PERSON) == everywhere
    headers = {"Authorization": f"Bearer {houses.key}", "Content-Type": "text/csv"}
    url, file = (
        houses.whole.url + "/v1/suppressions",
        f"to,action\n{PERSON},remove\n+4915112345600,remove\n",
    )
    async with houses.whole.session.post(url, data=file, headers=headers) as response:
        told = await response.json()
    assert (told["removed"], told["rejected"]) == (1, 1)
    assert (told["errors"][0]["row"], told["errors"][0]["code"]) == (2, "ordered_everywhere")
    assert await stops(houses, PERSON) == everywhere
    await houses.whole.call("DELETE", path)
    assert await stops(houses, PERSON) == set()


async def test_s10_a_node_of_another_portfolio_answers_as_one_that_is_not_there(
    houses: Houses,
) -> None:
    own = await houses.call("GET", f"/v25.0/{SENDER}", None, houses.key)
    assert own[0] == 200
    for method in ("GET", "DELETE"):
        answers = [
            (status, plain(text, f"/v25.0/{node}"))
            for node in (OTHER_SENDER, OTHER_WABA, "999999999999999", "never-there")
            for status, text in [await houses.call(method, f"/v25.0/{node}", None, houses.key)]
        ]
        assert len(set(answers)) == 1
        assert answers[0][0] == 404


async def test_s10_the_picture_of_a_portfolios_key_is_that_portfolios(houses: Houses) -> None:
    job = f"/v1/jobs/{houses.others['jobs']}"
    await until(houses.whole, lambda each: each["state"] == "accepted", job)
    everything = await until(houses.whole, lambda each: each["totals"]["rate"] > 0, "/v1/overview")
    assert {each["portfolio"] for each in everything["senders"]} == {PORTFOLIO, OTHER}
    status, text = await houses.call("GET", "/v1/overview", None, houses.key)
    own = json.loads(text)
    assert (status, own["problem"]) == (200, "")
    for part, name in (("senders", SENDER), ("windows", ""), ("campaigns", "campaign-1")):
        assert [(each["portfolio"], each.get("id", "")) for each in own[part]] == [
            (PORTFOLIO, name)
        ]
        assert own[f"{part}_in_all"] == 1
    assert (own["totals"]["rate"], sum(own["pace"]["accepted"])) == (0, 0)
    headers = {"Authorization": f"Bearer {houses.key}", "Accept": "text/event-stream"}
    url = houses.whole.url + "/v1/overview"
    async with houses.whole.session.get(url, headers=headers) as stream:
        told = b"".join([await stream.content.readline() for _ in range(5)])
    assert f'"portfolio":"{PORTFOLIO}"'.encode() in told
    assert [name for name in (*houses.others.values(), OTHER_WABA) if name.encode() in told] == []
    # A name that both portfolios gave a sender tells of neither what both did together.
    for sender in (SENDER, OTHER_SENDER):
        await houses.whole.call("PUT", f"/v1/senders/{sender}", {"alias": "shop"})
    _, text = await houses.call("GET", "/v1/overview", None, houses.key)
    assert json.loads(text)["totals"]["rate"] == 0
