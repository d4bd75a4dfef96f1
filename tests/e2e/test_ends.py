"""An end in order: calls under way have their time, and no longer, whatever they wait for."""

import asyncio
from pathlib import Path

import pytest

from adapters.api.patience import SILENCE_S
from adapters.house.serving import LAST_CALLS_S
from adapters.house.worker_side import DRAIN_MS
from tests.e2e.fleet import API, LOOK_EVERY_S, Fleet, a_fleet, ended
from tests.e2e.whole_house import KEY, rows

pytestmark = [pytest.mark.redis, pytest.mark.one_server]

PATH, ROWS, GRACE_S = "/v1/campaigns/c1", 20_000, 40
BODY = rows(ROWS).encode()


def test_a_drain_and_the_last_calls_end_before_a_kill() -> None:
    assert DRAIN_MS / 1_000 + LAST_CALLS_S + 5 < GRACE_S


async def taken(fleet: Fleet) -> int:
    """Return how far the upload came."""
    async with fleet.session.get(f"{fleet.url}{PATH}/uploads/people") as response:
        return int((await response.json())["offset"]) if response.ok else 0


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_an_upload_under_way_holds_up_no_end_and_goes_on_afterwards(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    haste = {"adapters.house.serving.LAST_CALLS_S": 2}
    async with a_fleet(tmp_path, workers=0, haste=haste) as fleet:
        host, port = fleet.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = [
            f"POST {PATH}/recipients HTTP/1.1",
            *("Host: here", f"Authorization: Bearer {KEY}", "Content-Type: text/csv"),
            *("Idempotency-Key: people", f"Content-Length: {len(BODY)}", "", ""),
        ]
        writer.write("\r\n".join(head).encode() + BODY[: len(BODY) // 2])
        await writer.drain()
        async with asyncio.timeout(30):
            while not await taken(fleet):
                await asyncio.sleep(LOOK_EVERY_S)
        began_s = loop.time()
        await fleet.terminate(API)
        assert loop.time() - began_s < SILENCE_S - 2, (
            "it waits for a body that cannot come any more"
        )
        writer.transport.abort()
        await fleet.start(API)
        offset = await taken(fleet)
        assert 0 < offset < len(BODY)
        headers = {"Content-Type": "text/csv", "Idempotency-Key": "people"}
        headers |= {"Upload-Offset": str(offset)}
        url = f"{fleet.url}{PATH}/recipients"
        async with fleet.session.post(url, data=BODY[offset:], headers=headers) as response:
            assert response.ok, await response.text()
        status = await fleet.call("GET", PATH)
        assert (status["enqueued"], ended(status)) == (ROWS, 0)
