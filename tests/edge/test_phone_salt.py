"""PENSTOCK_PHONE_SALT keys the hash that people are known by, from a ledger's first start on."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.house.keys import OtherSaltError
from adapters.house.shared import open_house
from adapters.settings import load_settings
from tests.e2e.test_bad_starts import refused

SALT, OTHER = "a salt that nobody guesses", "another one that nobody guesses"
PERSON = "4915112345678"


async def hash_after_start(url: str, directory: Path, salt: str = "") -> bytes:
    """Start a process on a ledger; return how it knows one person."""
    settings = load_settings(
        {"data_dir": str(directory), "api_key": "key-of-the-test"},
        environment={"PENSTOCK_PHONE_SALT": salt},
        directory=directory,
    )
    async with open_house(settings, url) as house:
        return house.recipients.key(PERSON)


async def test_the_same_salt_knows_a_person_by_the_same_hash_on_every_ledger(
    redis_client: Redis, server_url: str, tmp_path: Path
) -> None:
    first = await hash_after_start(server_url, tmp_path, SALT)
    await redis_client.flushall()
    assert await hash_after_start(server_url, tmp_path, SALT) == first
    await redis_client.flushall()
    assert await hash_after_start(server_url, tmp_path, OTHER) != first
    await redis_client.flushall()
    made = [await hash_after_start(server_url, tmp_path)]
    await redis_client.flushall()
    made.append(await hash_after_start(server_url, tmp_path))
    assert len({first, *made}) == 3


async def test_a_ledger_keeps_its_salt_also_where_it_is_left_out(
    redis_client: Redis, server_url: str, tmp_path: Path
) -> None:
    del redis_client
    first = await hash_after_start(server_url, tmp_path, SALT)
    assert await hash_after_start(server_url, tmp_path) == first


@pytest.mark.parametrize("before", [SALT, ""], ids=["set before", "made before"])
async def test_another_salt_refuses_to_start(
    redis_client: Redis, server_url: str, tmp_path: Path, before: str
) -> None:
    del redis_client
    first = await hash_after_start(server_url, tmp_path, before)
    with pytest.raises(OtherSaltError):
        await hash_after_start(server_url, tmp_path, OTHER)
    settings = {"PENSTOCK_REDIS_URL": server_url, "PENSTOCK_PHONE_SALT": OTHER}
    status, said = await refused(tmp_path, "run", **settings)
    assert status == 1
    assert "cannot start: this ledger counts people under another PENSTOCK_PHONE_SALT" in said
    assert OTHER not in said
    assert await hash_after_start(server_url, tmp_path, before) == first
