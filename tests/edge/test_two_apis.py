"""What two API processes are asked at once is judged as one after the other, caps included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.api.front import hash_of
from adapters.house.keys import first_key
from adapters.redis.connect import connect, disconnect
from adapters.redis.registry import RedisRegistry
from adapters.redis.seal import Seal
from adapters.settings import Settings
from engine.directory import ApiKey, Role
from engine.profiles import SEED
from tests.edge.two_houses import Between
from tests.front_desk import ADMIN, NOW_MS, PORTFOLIO, WABA, Desk, a_desk

SENDERS, PORTFOLIOS, KEYS = (
    f"ps:registry:{kind}" for kind in ("senders", "portfolios", "api_keys")
)
NUMBER = {
    "portfolio_id": PORTFOLIO,
    "waba_id": WABA,
    "display_phone_number": "+1 555 0102",
    "access_token": "token-of-the-test",
}
Desks = tuple[Desk, Desk, Between]


@pytest.fixture
async def desks(redis_client: Redis, server_url: str) -> AsyncIterator[Desks]:
    """Two processes under the strict rules; a portfolio that may register one more number."""
    other = connect(server_url)
    assert isinstance(other, Redis)
    between = Between(redis_client)
    async with a_desk(redis=other) as there, a_desk(redis=redis_client, is_furnished=False) as here:
        here.front.rules = there.front.rules = SEED
        assert (await there.call("PUT", "/v1/portfolios/p2", {"messaging_limit": 250}))[0] == 200
        await here.registry.refresh()
        yield here, there, between
        assert between.is_over, "nobody came between"
    await disconnect(other)


async def senders_of(desk: Desk) -> set[str]:
    await desk.registry.refresh()
    return set(desk.registry.directory.senders)


@pytest.mark.parametrize(
    ("theirs", "pointer"),
    [
        ({"display_phone_number": "+1 555 0103"}, "/portfolio_id"),  # the last one that it may have
        ({"portfolio_id": "p2", "waba_id": "w9"}, "/display_phone_number"),
    ],
    ids=["cap", "twin"],
)
async def test_of_two_numbers_that_may_not_both_be_one_is_added(
    desks: Desks, theirs: dict[str, str], pointer: str
) -> None:
    here, there, between = desks
    between.put(SENDERS, lambda: there.call("PUT", "/v1/senders/3", NUMBER | theirs))
    status, shown = await here.call("PUT", "/v1/senders/2", NUMBER)
    assert (status, shown["errors"][0]["pointer"]) == (409, pointer)
    assert await senders_of(here) == await senders_of(there) == {"106540352242922", "3"}


async def test_an_account_is_in_one_portfolio_whoever_is_quicker(desks: Desks) -> None:
    here, there, between = desks
    theirs = NUMBER | {"portfolio_id": "p2", "waba_id": "w9", "display_phone_number": "+1 555 0109"}
    between.put(SENDERS, lambda: there.call("PUT", "/v1/senders/3", theirs))
    status, shown = await here.call("PUT", "/v1/senders/2", NUMBER | {"waba_id": "w9"})
    assert (status, shown["errors"][0]["pointer"]) == (409, "/waba_id")
    assert here.registry.directory.portfolios_of_waba("w9") == ["p2"]


async def test_the_cap_holds_however_many_are_added_at_once(desks: Desks) -> None:
    here, there, _ = desks

    async def add(number: int) -> int:
        body = NUMBER | {"display_phone_number": f"+1 555 02{number}"}
        return (await (here, there)[number % 2].call("PUT", f"/v1/senders/{number}", body))[0]

    done = await asyncio.gather(*(add(number) for number in range(10, 20)))
    assert sorted(done) == [201] + [409] * 9
    assert len(await senders_of(here)) == 2


async def test_two_changes_of_a_number_are_both_made(desks: Desks) -> None:
    here, there, between = desks
    path = "/v1/senders/106540352242922"
    between.put(SENDERS, lambda: there.call("PUT", path, {"alias": "shop"}))
    status, shown = await here.call("PUT", path, {"display_phone_number": "+1 555 0199"})
    assert (status, shown["alias"]) == (200, "shop")
    await there.registry.refresh()
    shown = (await there.call("GET", path))[1]
    assert (shown["alias"], shown["display_phone_number"]) == ("shop", "+1 555 0199")


async def test_two_changes_of_a_portfolio_are_both_made(desks: Desks) -> None:
    here, there, between = desks
    path = f"/v1/portfolios/{PORTFOLIO}"
    between.put(PORTFOLIOS, lambda: there.call("PUT", path, {"headroom": 0.1}))
    status, shown = await here.call("PUT", path, {"reserve": {"utility": 0.2}})
    assert (status, shown["headroom"], shown["reserve"]) == (200, 0.1, {"utility": 0.2})


async def test_a_key_that_both_are_asked_for_is_made_once(desks: Desks) -> None:
    here, there, between = desks
    wish = {"name": "journeys", "role": "read"}
    once = {"Idempotency-Key": "of-the-test"}
    made: list[str] = []

    async def makes() -> None:
        status, shown = await there.call("POST", "/v1/keys", wish, headers=once)
        assert status == 201
        made.append(shown["key"])

    between.put(KEYS, makes)
    assert (await here.call("POST", "/v1/keys", wish, headers=once))[0] == 409
    await here.registry.refresh()
    assert (await here.call("GET", "/v1/portfolios", key=made[0]))[0] == 200


async def test_the_last_admin_key_stays_whoever_is_quicker(desks: Desks) -> None:
    here, there, between = desks
    await here.registry.put(ApiKey("00000009", "other", Role.ADMIN, hash_of("another")))
    await there.registry.refresh()
    between.put(KEYS, lambda: there.call("DELETE", "/v1/keys/00000009"))
    assert (await here.call("DELETE", "/v1/keys/bootstrap"))[0] == 409
    assert (await here.call("GET", "/v1/keys", key=ADMIN))[0] == 200


async def test_two_first_starts_make_one_key(redis_client: Redis, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    registries = [RedisRegistry(redis_client, Seal("a seal")) for _ in range(2)]
    for each in registries:
        await each.refresh()
    made = await asyncio.gather(*(first_key(each, settings, NOW_MS) for each in registries))
    assert sorted(map(bool, made)) == [False, True]
    assert await redis_client.hlen(KEYS) == 1
