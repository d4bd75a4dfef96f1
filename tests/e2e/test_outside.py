"""What others do: Meta falls ill, another program sends from our number."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.meta import answers, breaker
from tests.e2e.whole_house import (
    PORTFOLIO,
    SENDER,
    Whole,
    a_message,
    a_whole_house,
    a_world,
    rows,
)

pytestmark = [
    pytest.mark.usefixtures("redis_client"),
    pytest.mark.one_server,  # the breaker and the judge of a foreign send are ours
    pytest.mark.timeout(120),
]

DAY_MS = 86_400_000
OPEN_FOR_MS = 1_500  # of production's 5,000 until the next letter probes
UNPROVEN_REST_MS = 1_000  # of 30,000


async def until(holds: Callable[[], Awaitable[bool]], most_s: float = 40) -> None:
    async with asyncio.timeout(most_s):
        while not await holds():
            await asyncio.sleep(0.05)


async def states(whole: Whole, jobs: list[str]) -> list[str]:
    views = [await whole.call("GET", f"/v1/jobs/{job}") for job in jobs]
    return [view["state"] for view in views]


async def test_while_meta_is_ill_few_attempts_are_burnt_and_all_leave_afterwards(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storm of 131000: the breaker of the number opens, and its jobs wait behind `sender`."""
    ill = {"kind": "error", "code": 131000, "status": 500}
    monkeypatch.setattr(breaker, "OPEN_FOR_MS", OPEN_FOR_MS)
    monkeypatch.setattr(answers, "UNPROVEN_REST_MS", UNPROVEN_REST_MS)
    async with a_whole_house(server_url, tmp_path, a_world(window_ms=DAY_MS)) as whole:
        await whole.control("POST", "faults", {"faults": [ill]})
        posted = [
            {
                "sender": SENDER,
                "to": f"+49152{at:08}",
                "message": a_message("Ada", name="update"),
            }
            for at in range(30)
        ]
        answer = await whole.call("POST", "/v1/jobs", posted)
        jobs = [each["id"] for each in answer["results"]]

        async def is_open() -> bool:
            shown = await whole.call("GET", f"/v1/why/{SENDER}")
            return "sender" in {gate["gate"] for gate in shown["gates"]}

        def struck() -> int:
            return sum(whole.sandbox.stage.faults.struck.values())

        await until(is_open)
        before = struck()

        async def is_probed() -> bool:
            return struck() >= before + 2

        await until(is_probed)
        assert struck() <= 15  # of 30 jobs, each with five attempts
        assert not {"failed", "unknown"} & set(await states(whole, jobs))
        await whole.control("POST", "faults", {"faults": []})

        async def is_over() -> bool:
            return set(await states(whole, jobs)) == {"accepted"}

        await until(is_over, most_s=60)
        assert whole.report().clean


async def sent_by_others(whole: Whole, people: int) -> None:
    """Send from our number past Penstock, as another program of the house does."""
    headers = {"Authorization": "Bearer token-of-the-test"}
    for at in range(people):
        body: dict[str, Any] = {"messaging_product": "whatsapp", "to": f"+49153{at:08}"}
        url = f"{whole.graph_url}/v23.0/{SENDER}/messages"
        content = body | a_message("Ada", name="update")
        async with whole.session.post(url, json=content, headers=headers) as response:
            assert response.ok, await response.text()


async def test_what_others_send_from_our_number_takes_places_that_we_do_not_give_again(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, a_world(window_ms=DAY_MS)) as whole:
        await sent_by_others(whole, 3)

        async def is_counted() -> bool:
            shown = await whole.call("GET", f"/v1/portfolios/{PORTFOLIO}")
            return bool(shown["quota"]["used"] == 3)

        await until(is_counted)
        await whole.upload("c1", rows(40))
        await whole.call("POST", "/v1/campaigns/c1/start", {})
        await whole.until(
            "c1",
            lambda each: (
                (each["counts"]["waiting"], each["counts"]["accepted"]) == ({"quota": 3}, 37)
            ),
        )
        assert whole.report().clean
