"""Forgetting a person on request: what is queued, what is kept of the past, what was wished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.model import NowMs, PortfolioId, RecipientKey
from engine.resting import Resting
from engine.suppressions import EVERYWHERE, Suppressions, Whom


@dataclass(slots=True)
class Erased:
    """How much of a person was found in a portfolio's slot."""

    unsent: int = 0  # queued jobs that ended and will not be sent
    ended: int = 0  # jobs whose message id was forgotten
    open: int = 0  # jobs under way or in doubt: erase again when they have ended


@dataclass(slots=True)
class Erasure:
    """What an erasure did in one portfolio."""

    portfolio: PortfolioId
    jobs: Erased
    log_lines: int  # of exported logs


class Eraser(Protocol):
    """What holds messages of people."""

    async def erase(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> Erased:
        """Forget the messages of these ids; the window keeps counting them until they are due.

        LedgerError: a part may be forgotten; the same again forgets the rest.
        """
        ...


EraseLog = Callable[[PortfolioId, Sequence[RecipientKey]], int]  # in exported files: how many lines


class Erasing:
    """The use case of who must forget a person."""

    def __init__(
        self,
        suppressions: Suppressions,
        resting: Resting,
        eraser: Eraser,
        erase_log: EraseLog,
        portfolios: Callable[[], Iterable[PortfolioId]],
        now_ms: NowMs,
    ) -> None:
        self._suppressions = suppressions
        self._resting = resting
        self._eraser = eraser
        self._erase_log = erase_log
        self._portfolios = portfolios
        self._now_ms = now_ms

    async def erase(
        self, portfolio: PortfolioId, recipient: RecipientKey, *, keeps_stop: bool = True
    ) -> list[Erasure]:
        """Forget a person under each id, in one portfolio or EVERYWHERE.

        All is stopped first, so that nothing is sent meanwhile; `keeps_stop` leaves that stop, a
        keyed hash. What was ordered everywhere outlives the erasure in one portfolio.
        LedgerError, OSError: a part is forgotten; the same again forgets the rest.
        """
        is_everywhere = portfolio == EVERYWHERE
        portfolios = list(self._portfolios()) if is_everywhere else [portfolio]
        ids = {each: await self._ids(each, recipient) for each in portfolios}
        stops = {Whom(key, None): True for some in ids.values() for key in (recipient, *some)}
        await self._suppressions.order(portfolio, stops, self._now_ms())
        done: list[Erasure] = []
        for each, some in ids.items():
            jobs = await self._eraser.erase(each, some)
            lines = self._erase_log(each, some)
            done.append(Erasure(each, jobs, lines))
            await self._resting.forget(each, some)
            await self._suppressions.forget(each, some, obeys_all=not is_everywhere)
        if is_everywhere:
            await self._suppressions.forget(EVERYWHERE, [whom.recipient for whom in stops])
        if keeps_stop:
            await self._suppressions.order(portfolio, stops, self._now_ms())
        return done

    async def _ids(self, portfolio: PortfolioId, recipient: RecipientKey) -> list[RecipientKey]:
        return (await self._suppressions.ids_of(portfolio, [recipient]))[recipient]
