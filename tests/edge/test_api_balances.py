"""The audit over the API: a recount of raw keys, for one portfolio or for all that are seen."""

from redis.asyncio import Redis

from tests.front_desk import PORTFOLIO, READ, SEND, a_campaign, a_desk

CSV = "to,name,code\n+4915112345678,Ada,A1\n+4915112345679,Bob,B2\n"


async def test_books_balance_until_a_count_is_wrong(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        sound = {"portfolio_id": PORTFOLIO, "balanced": True, "lines": []}
        for path in ("/v1/audit", f"/v1/portfolios/{PORTFOLIO}/audit"):
            assert await desk.call("GET", path) == (200, {"balanced": True, "portfolios": [sound]})
            assert (await desk.call("GET", path, key=SEND))[0] == 403
        await redis_client.hincrby(f"ps:{{{PORTFOLIO}}}:src:campaign:c1", "enqueued", 1)
        _, shown = await desk.call("GET", f"/v1/portfolios/{PORTFOLIO}/audit")
        told = "campaign:c1: enqueued 3, states add up to 2"
        assert shown["balanced"] is False
        assert shown["portfolios"] == [sound | {"balanced": False, "lines": [told]}]


async def test_an_unknown_portfolio_has_no_books() -> None:
    async with a_desk() as desk:
        assert (await desk.call("GET", "/v1/portfolios/none/audit"))[0] == 404
        assert (await desk.call("GET", "/v1/audit", key=READ))[0] == 403
