"""Test sends of templates: what they take is given back where they surely reached nobody."""

from __future__ import annotations

import pytest

from engine.books import Quota
from engine.errors import ProviderAwayError, ProviderRefusedError
from engine.model import PortfolioId
from tests.edge.test_api_templates import ONE
from tests.front_desk import PORTFOLIO, Desk, a_desk

REFUSED = {"ok": False, "status": 400, "reached_nobody": True}
DOUBTFUL = {"ok": False, "status": 500, "reached_nobody": False}
TO = {"to": "+4915112345678"}


async def used(desk: Desk) -> int:
    quota: Quota = await desk.ledger.quota(PortfolioId(PORTFOLIO))
    return quota.used


@pytest.mark.parametrize(
    ("answer", "status", "counts"),
    [
        pytest.param({}, 200, 1, id="taken"),
        pytest.param(REFUSED, 200, 0, id="refused"),
        pytest.param(DOUBTFUL, 200, 1, id="who knows"),
        pytest.param(ProviderAwayError("no answer"), 502, 1, id="no answer"),
        pytest.param(ProviderRefusedError("no token", code=190), 502, 0, id="not written"),
    ],
)
async def test_a_place_is_kept_unless_nobody_was_reached(
    answer: object, status: int, counts: int
) -> None:
    async with a_desk() as desk:
        desk.trials.answer = answer
        for _ in range(2):
            got, shown = await desk.call("POST", ONE + "/test", TO)
            assert got == status, shown
        assert await used(desk) == counts


async def test_who_counts_already_goes_on_counting_after_a_test_send_that_failed() -> None:
    async with a_desk() as desk:
        await desk.call("POST", ONE + "/test", TO)
        desk.trials.answer = REFUSED
        await desk.call("POST", ONE + "/test", TO)
        assert await used(desk) == 1
