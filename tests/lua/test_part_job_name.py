"""part_job_name: a job is called by its lane and its sequence, however many came before it."""

from __future__ import annotations

import pytest

from engine.ports import Ask
from tests.lua.slot_state import PORTFOLIO, Slot


@pytest.mark.parametrize("most", [7, 64, 190])
async def test_every_job_of_a_lane_has_its_own_name(slot: Slot, most: int) -> None:
    await slot.furnish(places=1_000, mps=100_000)
    await slot.queue(*range(1, 331))
    wanted = {f"open 1.{sequence}" for sequence in range(1, 331)}
    for counter in range(1, 330 // most + 2):
        await slot.ledger.claim([Ask(PORTFOLIO, "w", counter, most, most)])
    state = await slot.state()
    assert {name for name in state if name.startswith("open ")} == wanted
    named = ",".join(value for name, value in sorted(state.items()) if name.startswith("claims "))
    assert sorted(named.split(",")) == sorted(name.removeprefix("open ") for name in wanted)
