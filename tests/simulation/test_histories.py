"""Random histories of the ledger, against books that borrow nothing from it."""

import os

import pytest

from tests.simulation.suite import run_histories

SEEDS = 50 * int(os.environ.get("PENSTOCK_TEST_SEEDS", "3"))


@pytest.mark.timeout(900)
def test_random_histories_agree_with_plain_books() -> None:
    report = run_histories(range(SEEDS))
    assert report.faults == []
