"""part_slot: the shared empty array NONE stays empty, or whoever filled it breaks here."""

import re

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from adapters.redis.assembly import read_scripts
from tests.lua.guarded import BEGIN, GUARD
from tests.lua.slot_state import Slot

OUTSIDE = {"record_change", "imprints_read"}  # not run in one portfolio's slot
PAST_THE_GUARD = re.compile(r"\brawset\b|table\.insert")  # neither asks a metatable


@pytest.mark.parametrize("name", sorted(read_scripts()))
def test_every_script_has_the_guard_and_nothing_that_goes_past_it(name: str) -> None:
    text = read_scripts()[name]
    has_array = re.search(r"\bNONE\b", text) is not None  # all that are run in a slot
    assert text.count(f"{GUARD}\n{BEGIN}") == has_array == (name not in OUTSIDE)
    assert PAST_THE_GUARD.search(text) is None


@pytest.mark.parametrize("write", ["NONE[1] = 7", "NONE[#NONE + 1] = 7", "NONE.more = true"])
async def test_a_write_breaks_and_names_it(redis_client: Redis, write: str) -> None:
    with pytest.raises(ResponseError, match="NONE was written to"):
        await redis_client.eval(f"local NONE = {{}}\n{GUARD}\n{write}", 0)


async def test_an_array_made_of_it_is_another_one_and_may_be_written_to(slot: Slot) -> None:
    code = f"local NONE = {{}}\n{GUARD}\nlocal made = {{ unpack(NONE, 1, 3) }}\nmade[1] = 7"
    assert await slot.client.eval(f"{code}\nreturn made[1]", 0) == 7
