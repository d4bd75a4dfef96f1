"""What an API under test knows of people: their words, rests and erasures, behind the walls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.api.walls import walled_ledger
from adapters.memory.ledger import MemoryLedger
from adapters.memory.preferences import MemoryPreferences, MemoryRests, OneByOne
from adapters.meta.codes import RESTS
from adapters.redis.ledger import RedisLedger
from engine.directory import Directory
from engine.erasing import Erased, Erasing
from engine.model import NowMs, PortfolioId, RecipientKey
from engine.recipients import RecipientKeys
from engine.resting import Resting
from engine.suppressions import Suppressions
from tests.contract.erasing import erase


class Forgetting:
    """Forgets people in a ledger of either kind."""

    def __init__(self, ledger: MemoryLedger | RedisLedger) -> None:
        self._ledger = ledger

    async def erase(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> Erased:
        """See engine.erasing.Eraser."""
        return await erase(self._ledger, portfolio, recipients)


def what_knows_people(
    ledger: MemoryLedger | RedisLedger, directory: Directory, secret: bytes, now_ms: NowMs
) -> dict[str, Any]:
    """Return what a Front knows of people in all portfolios; no exported logs are looked at."""
    choices, rests, slots = MemoryPreferences(), MemoryRests(), OneByOne(ledger)

    def portfolios() -> list[PortfolioId]:
        return [each.id for each in directory.portfolios.values()]

    suppressions = Suppressions(choices, choices, slots, portfolios)
    resting = Resting(rests, rests, choices, slots, RESTS, now_ms)

    def erase_log(_portfolio: PortfolioId, _ids: Sequence[RecipientKey]) -> int:
        return 0

    parts = (suppressions, resting, Forgetting(ledger), erase_log)
    return {
        "recipients": RecipientKeys(secret),
        "suppressions": walled_ledger(suppressions),
        "resting": walled_ledger(resting),
        "erasing": walled_ledger(Erasing(*parts, portfolios, now_ms)),
    }
