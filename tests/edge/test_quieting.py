"""Quiet hours are told again when a ledger begins to recover, not with each claim of a recovery."""

from __future__ import annotations

from adapters.house.quieting import LostTails
from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from adapters.time_zones import TimeZones
from engine.events import JobsClaimed
from engine.model import PortfolioId
from engine.quiet_keeper import QuietKeeper
from engine.terms import Terms


class Forgetful(QuietKeeper):
    """Counts how often it is to forget."""

    forgot = 0

    def forget(self) -> None:
        """See QuietKeeper.forget."""
        self.forgot += 1


def claimed(refused: str, portfolio: str = "p") -> JobsClaimed:
    """Return what a claim answered."""
    return JobsClaimed(PortfolioId(portfolio), [], [], refused, 1)


def now_ms() -> int:
    """Return always the same moment."""
    return 0


def test_each_recovery_of_each_ledger_is_heard_once() -> None:
    ledger = MemoryLedger(Terms(), now_ms)
    keeper = Forgetful(MemoryRegistry(), ledger, TimeZones(), now_ms=now_ms)
    tails, forgot = LostTails(keeper), list[int]()
    for event in (
        *(claimed(""), claimed("recovering"), claimed("recovering")),
        *(claimed("recovering", "q"), claimed("", "q"), claimed("recovering")),
        *(claimed(""), claimed("recovering")),
    ):
        tails.heard(event)
        forgot.append(keeper.forgot)
    assert forgot == [0, 1, 1, 2, 2, 2, 2, 3]
