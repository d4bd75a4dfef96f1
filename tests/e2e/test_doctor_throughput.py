"""The doctor leaves a ceiling alone that an operator set: Meta may list more than it bears."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.house.findings import State
from tests.e2e.test_doctor import VERIFY, examined, states
from tests.e2e.whole_house import SENDER, a_whole_house

pytestmark = pytest.mark.one_server

SUBJECT = f"sender {SENDER}"


async def test_a_ceiling_is_meant_and_less_from_meta_is_asked_about(
    server_url: str, redis_client: Redis, tmp_path: Path
) -> None:
    assert await redis_client.ping()
    async with a_whole_house(server_url, tmp_path, meta_verify_token=VERIFY) as whole:
        path = f"/v1/senders/{SENDER}"
        await whole.call("POST", f"{path}/refresh")
        await whole.call("PUT", path, {"throughput": 20})  # a coexistence number
        found = await examined(whole.house, server_url)
        assert states(found, SUBJECT) == [State.OK]
        assert "we keep 20, as an operator set it" in found[SUBJECT][0].found
        await whole.call("PUT", path, {"throughput": 200})  # more than Meta grants
        found = await examined(whole.house, server_url)
        assert states(found, SUBJECT) == [State.WARN]
        assert found[SUBJECT][0].remedy == f"Run `penstock sender refresh {SENDER}`."
        await whole.call("POST", f"{path}/refresh")
        assert states(await examined(whole.house, server_url), SUBJECT) == [State.OK]
