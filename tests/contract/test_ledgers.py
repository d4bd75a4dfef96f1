"""The memory and the Redis ledger agree, answer for answer, whatever the history."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from adapters.redis.scripts import Scripts
from tests.contract.playing import STEPS, Play, play, replay_line
from tests.contract.visits import MUST_VISIT, missing

SEEDS = int(os.environ.get("PENSTOCK_TEST_SEEDS", "3"))
HISTORIES = int(os.environ.get("PENSTOCK_TEST_HISTORIES", 20 * SEEDS))
ELSEWHERE = 3 * SEEDS  # histories on every server: the scripts are the same text on each
SEED_MAX = 2**31 - 1
SECONDS_A_HISTORY = 4  # ten times what one takes


@pytest.fixture(scope="module")
def seen() -> Iterator[Counter[str]]:
    """What all histories of this run visited; a full run that missed something fails here."""
    counter: Counter[str] = Counter()
    yield counter
    if counter["histories"] >= HISTORIES:
        assert missing(counter) == [], "no history of this run came by here"


@pytest.mark.slow
@pytest.mark.one_server
@pytest.mark.timeout(60 + HISTORIES * SECONDS_A_HISTORY)
@settings(
    max_examples=HISTORIES,
    derandomize=True,  # the same everywhere; for new ones: `python -m tests.contract`
    deadline=None,
    database=None,
    phases=[Phase.generate],  # a smaller seed is not a simpler history
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, SEED_MAX))
async def test_both_ledgers_answer_the_same_to_every_step_of_a_history(
    redis_client: Redis, seen: Counter[str], seed: int
) -> None:
    visited = await play(seed, redis_client)
    assert visited["books waiting"] + visited["books queued"], replay_line(seed, STEPS)
    seen += visited
    seen["histories"] += 1


@pytest.mark.parametrize("seed", range(ELSEWHERE))
async def test_both_ledgers_answer_the_same_on_every_server(redis_client: Redis, seed: int) -> None:
    visited = await play(seed, redis_client)
    assert visited["books waiting"] + visited["books queued"], replay_line(seed, STEPS)


async def test_a_server_without_functions_plays_the_same_history(redis_client: Redis) -> None:
    await redis_client.function_flush()
    under_way = Play(1, redis_client)
    under_way.redis._scripts = Scripts(redis_client, as_functions=False)
    await under_way.run()
    assert under_way.history.seen["queued > in_flight"]
    assert await redis_client.function_list() == []


def test_a_run_that_met_nothing_is_told_what_it_missed() -> None:
    assert missing(Counter()) == list(MUST_VISIT)
    assert missing(Counter(dict.fromkeys(MUST_VISIT, 1))) == []


def test_a_disagreement_can_be_replayed_with_one_command() -> None:
    assert replay_line(17) == ("python -m tests.contract --first-seed 17 --histories 1 --steps 300")
