"""The production engine lives through fortnights of faults, and breaks no promise."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.memory.ledger import MemoryLedger
from engine.model import Gate, NowMs
from engine.terms import Terms
from tests.simulation.fortnight import live_through
from tests.simulation.suite import run_fortnights

SEEDS = int(os.environ.get("PENSTOCK_TEST_SEEDS", "3"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fortnights_of_faults_break_no_promise_and_keep_the_limit_full() -> None:
    report = run_fortnights(range(1, 1 + SEEDS))
    assert report.faults == []


def test_an_engine_that_heeds_no_night_is_convicted() -> None:
    def sleepless(terms: Terms, now_ms: NowMs) -> MemoryLedger:
        return MemoryLedger(replace(terms, gates_off=frozenset({Gate.SCHEDULE})), now_ms)

    breaches = live_through(5, sleepless, days=1).breaches
    assert any(" quiet: somebody sleeps in " in breach for breach in breaches)


DIGEST = """
from adapters.memory.ledger import MemoryLedger
from engine.model import Gate, NowMs
from engine.terms import Terms
from tests.simulation.fortnight import live_through
print(live_through(5, MemoryLedger, days=1).digest)
"""


def test_the_same_seed_is_the_same_story_under_another_hash_seed() -> None:
    here = live_through(5, MemoryLedger, days=1).digest
    for hash_seed in ("1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path.cwd())}
        told = subprocess.run(
            [sys.executable, "-c", DIGEST],
            env=environment,
            capture_output=True,
            check=True,
            text=True,
        )
        assert told.stdout.strip() == here
