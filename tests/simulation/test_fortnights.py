"""The production engine lives through fortnights of faults, and breaks no promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.memory.ledger import MemoryLedger
from tests.simulation.fortnight import live_through
from tests.simulation.suite import run_fortnights

SEEDS = int(os.environ.get("PENSTOCK_TEST_SEEDS", "3"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fortnights_of_faults_break_no_promise_and_keep_the_limit_full() -> None:
    report = run_fortnights(range(1, 1 + SEEDS))
    assert report.faults == []


DIGEST = """
from adapters.memory.ledger import MemoryLedger
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
