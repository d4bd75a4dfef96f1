"""The ledger of a house: whatever may have opened a gate wakes who waits behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters.redis.connect import Client
from adapters.redis.ledger import RedisLedger
from adapters.redis.timing import Observe, TimedScripts
from engine.model import (
    Category,
    DeliveryStatus,
    Gate,
    NowMs,
    PortfolioId,
    RecipientKey,
    SenderId,
    WabaId,
)
from engine.outcomes import Deferred, Outcome, Retry
from engine.ports import (
    Answer,
    Ask,
    PortfolioSpec,
    Receipt,
    Received,
    SenderSpec,
    Settled,
    Settlement,
    SourceSpec,
    TemplateSpec,
)
from engine.quiet import Spans
from engine.recollection import Recollection
from engine.shutting import NOTHING_SHUT, Shut
from engine.terms import Terms

Wake = Callable[[PortfolioId], None]


def _nobody(_portfolio: PortfolioId) -> None:
    """Wake nobody."""


def _forget_wait(outcome: Outcome, now_ms: int) -> None:
    """Let a refused message go again at once: only to prove that the judge convicts."""
    match outcome:
        case Retry() | Deferred(gate=Gate.PAIR):
            outcome.until_ms = now_ms
        case _:
            pass


class WakingLedger(RedisLedger):
    """A Redis ledger that says when a portfolio is worth asking again."""

    wake: Wake = staticmethod(_nobody)

    def __init__(
        self,
        client: Client,
        terms: Terms,
        now_ms: NowMs,
        now_us: Callable[[], int],
        *,
        keep_days: int,
    ) -> None:
        super().__init__(client, terms, now_ms, keep_days=keep_days)
        self._scripts: TimedScripts = TimedScripts(client, now_us)
        self._is_impatient = Gate.RETRY in terms.gates_off

    def tell_times(self, observe: Observe) -> None:
        """Tell `observe` from now on how long each script takes."""
        self._scripts.observe = observe

    async def claim(self, asks: Sequence[Ask]) -> list[Answer]:
        """See Ledger.claim; with its gate off, nobody waits after a definite failure."""
        if self._is_impatient:
            for ask in asks:
                for each in ask.settlements:
                    _forget_wait(each.outcome, self._now_ms())
        return await super().claim(asks)

    async def settle(self, portfolio: PortfolioId, settlements: Sequence[Settlement]) -> Settled:
        """See Ledger.settle; with its gate off, nobody waits after a definite failure."""
        if self._is_impatient:
            for each in settlements:
                _forget_wait(each.outcome, self._now_ms())
        return await super().settle(portfolio, settlements)

    async def put_portfolio(self, portfolio: PortfolioId, spec: PortfolioSpec) -> None:
        """See Catalog.put_portfolio."""
        await super().put_portfolio(portfolio, spec)
        self.wake(portfolio)

    async def put_sender(self, portfolio: PortfolioId, sender: SenderId, spec: SenderSpec) -> None:
        """See Catalog.put_sender."""
        await super().put_sender(portfolio, sender, spec)
        self.wake(portfolio)

    async def put_template(self, portfolio: PortfolioId, template: str, spec: TemplateSpec) -> None:
        """See Catalog.put_template."""
        await super().put_template(portfolio, template, spec)
        self.wake(portfolio)

    async def put_source(self, portfolio: PortfolioId, source: str, spec: SourceSpec) -> None:
        """See Catalog.put_source."""
        await super().put_source(portfolio, source, spec)
        self.wake(portfolio)

    async def put_quiet(self, portfolio: PortfolioId, source: str, open_: dict[str, Spans]) -> None:
        """See QuietLedger.put_quiet."""
        await super().put_quiet(portfolio, source, open_)
        self.wake(portfolio)

    async def end_quiet(self, portfolio: PortfolioId, source: str) -> None:
        """See QuietLedger.end_quiet."""
        await super().end_quiet(portfolio, source)
        self.wake(portfolio)

    async def close_account(
        self, portfolio: PortfolioId, waba: WabaId, until_ms: int, shut: Shut = NOTHING_SHUT
    ) -> None:
        """See Catalog.close_account."""
        await super().close_account(portfolio, waba, until_ms, shut)
        self.wake(portfolio)

    async def open_window(
        self, portfolio: PortfolioId, sender: SenderId, recipient: RecipientKey, until_ms: int
    ) -> None:
        """See Receipts.open_window."""
        await super().open_window(portfolio, sender, recipient, until_ms)
        self.wake(portfolio)

    async def unsuppress(
        self, portfolio: PortfolioId, recipient: RecipientKey, category: Category | None
    ) -> None:
        """See Contents.unsuppress."""
        await super().unsuppress(portfolio, recipient, category)
        self.wake(portfolio)

    async def receive(self, portfolio: PortfolioId, receipts: Sequence[Receipt]) -> Received:
        """See Receipts.receive; only what gives something back wakes anybody."""
        received = await super().receive(portfolio, receipts)
        failed = any(each.status is DeliveryStatus.UNDELIVERED for each in receipts)
        if failed or received.settled or received.cancelled_repeats:
            self.wake(portfolio)
        return received


class Evidence:
    """The Receipts of a house: what is received is remembered, for a ledger that loses its tail."""

    def __init__(self, recollection: Recollection, ledger: RedisLedger) -> None:
        self.receive = recollection.receive
        self.open_window = ledger.open_window
