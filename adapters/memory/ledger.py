"""The memory ledger: every port of the engine with nothing behind it, for one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapters.memory import books, enqueue, place, quiet, rescue, restore, settle, templates
from adapters.memory.cancel import cancel, cancel_waiting
from adapters.memory.claim import claim
from adapters.memory.receive import receive
from adapters.memory.records import SenderState, SourceStateOf
from adapters.memory.shut import closed_until_ms, move_account, open_category, put_shut
from adapters.memory.slot import Slot
from engine.books import Counts, Depth, JobView, Quota
from engine.borders import Border
from engine.errors import UnknownNameError
from engine.imprints import Imprint
from engine.model import (
    Category,
    Gate,
    JobKey,
    NowMs,
    PortfolioId,
    RecipientKey,
    SenderId,
    SourceState,
    TemplateStatus,
    WabaId,
)
from engine.pace import SendSlots
from engine.ports import (
    Again,
    Answer,
    Ask,
    Batch,
    Cancelled,
    Claimed,
    Enqueued,
    PortfolioSpec,
    Receipt,
    Received,
    Rescued,
    SenderSpec,
    Settled,
    Settlement,
    SourceSpec,
    TemplateSpec,
)
from engine.quiet import Spans, ZoneStanding
from engine.shutting import NOTHING_SHUT, Shut
from engine.template_ports import Place, PlaceWish, Repoint
from engine.terms import Terms


class MemoryLedger:
    """Ledger, Receipts, Catalog, TemplateJobs, Contents and Books of one process: the reference."""

    def __init__(self, terms: Terms, now_ms: NowMs) -> None:
        self._terms = terms
        self._now_ms = now_ms
        self._slots: dict[PortfolioId, Slot] = {}

    def slot(self, portfolio: PortfolioId, *, touches: bool = True) -> tuple[Slot, int]:
        """Return a portfolio's state and the time in it, which never goes back."""
        slot = self._slots.get(portfolio)
        if slot is None:
            slot = self._slots[portfolio] = Slot(self._terms)
        slot.clock_ms = max(slot.clock_ms, self._now_ms())
        if touches:
            slot.touched_ms = slot.clock_ms
        return slot, slot.clock_ms

    # -- Ledger -------------------------------------------------------------------------------

    async def enqueue(self, batches: Sequence[Batch]) -> list[Enqueued]:
        """See Ledger.enqueue."""
        answers: list[Enqueued] = []
        for batch in batches:
            slot, now_ms = self.slot(batch.portfolio)
            answers.append(enqueue.enqueue(slot, batch, now_ms))
        return answers

    async def claim(self, asks: Sequence[Ask]) -> list[Answer]:
        """See Ledger.claim."""
        answers: list[Answer] = []
        for ask in asks:
            slot, now_ms = self.slot(ask.portfolio)
            answers.append(claim(slot, ask, now_ms))
        return answers

    async def settle(self, portfolio: PortfolioId, settlements: Sequence[Settlement]) -> Settled:
        """See Ledger.settle."""
        slot, now_ms = self.slot(portfolio)
        return settle.settle(slot, list(settlements), now_ms)

    async def again(self, portfolio: PortfolioId, key: JobKey, attempt: int) -> Again:
        """See Ledger.again."""
        slot, now_ms = self.slot(portfolio)
        return settle.again(slot, key, attempt, now_ms)

    async def rescue(self, portfolio: PortfolioId) -> Rescued:
        """See Ledger.rescue."""
        slot, now_ms = self.slot(portfolio, touches=False)
        if slot.rescue_at_ms() <= now_ms:
            slot.touched_ms = now_ms
        return rescue.rescue(slot, now_ms)

    async def imprints(self, portfolios: Sequence[PortfolioId]) -> list[Imprint]:
        """See Imprints.imprints."""
        slots = [self._slots.get(each) for each in portfolios]
        return [
            Imprint(each.touched_ms, each.sequence) if each else Imprint(0, 0) for each in slots
        ]

    # -- Recovery -----------------------------------------------------------------------------

    async def restore_enqueued(self, batch: Batch, answer: Enqueued) -> None:
        """See Recovery.restore_enqueued."""
        slot, now_ms = self.slot(batch.portfolio)
        restore.restore_enqueued(slot, batch, answer, now_ms)

    async def restore_claimed(self, portfolio: PortfolioId, jobs: Sequence[Claimed]) -> int:
        """See Recovery.restore_claimed."""
        slot, now_ms = self.slot(portfolio)
        return restore.restore_claimed(slot, list(jobs), now_ms)

    # -- Receipts -----------------------------------------------------------------------------

    async def receive(self, portfolio: PortfolioId, receipts: Sequence[Receipt]) -> Received:
        """See Receipts.receive."""
        slot, now_ms = self.slot(portfolio)
        return receive(slot, list(receipts), now_ms)

    async def open_window(
        self, portfolio: PortfolioId, sender: SenderId, recipient: RecipientKey, until_ms: int
    ) -> None:
        """See Receipts.open_window."""
        slot, _ = self.slot(portfolio)
        known_ms = slot.service_windows.get((sender, recipient), 0)
        slot.service_windows[(sender, recipient)] = max(known_ms, until_ms)
        slot.sequence += 1

    async def take_times(self, portfolio: PortfolioId, messages: Mapping[SenderId, int]) -> None:
        """See Throughput.take_times."""
        slot, now_ms = self.slot(portfolio)
        for sender, times in messages.items():
            if (state := slot.senders.get(sender)) is not None:
                state.slots.give_way(times, now_ms)
        slot.sequence += 1

    # -- Catalog ------------------------------------------------------------------------------

    async def put_portfolio(self, portfolio: PortfolioId, spec: PortfolioSpec) -> None:
        """See Catalog.put_portfolio."""
        slot, now_ms = self.slot(portfolio)
        if slot.spec is None:
            slot.created_at_ms = now_ms
            slot.spec = spec
        slot.spec = replace(spec, scope=slot.spec.scope)
        self._look_again(slot, now_ms)

    async def put_sender(self, portfolio: PortfolioId, sender: SenderId, spec: SenderSpec) -> None:
        """See Catalog.put_sender."""
        slot, now_ms = self.slot(portfolio)
        state = slot.senders.get(sender)
        if state is None:
            slots = SendSlots(spec.throughput_mps)
            state = slot.senders[sender] = SenderState(spec, slots, spec.closed_until_ms)
        else:
            if state.spec.is_silent and not spec.is_silent:
                state.spoke_ms = now_ms
            move_account(slot, state.spec.waba, spec.waba, now_ms)
            state.spec = spec
            state.closed_until_ms = closed_until_ms(
                slot, (Gate.SENDER, sender), state.closed_until_ms, spec.closed_until_ms, now_ms
            )
            state.slots.nominal_mps = spec.throughput_mps
            if state.slots.learned_mps >= spec.throughput_mps:
                state.slots.learned_mps = 0
        state.slots.set_share(spec.marketing_share)
        put_shut(slot, (Gate.SENDER, sender), spec.shut, now_ms)
        self._look_again(slot, now_ms)

    async def put_template(self, portfolio: PortfolioId, template: str, spec: TemplateSpec) -> None:
        """See Catalog.put_template."""
        slot, now_ms = self.slot(portfolio)
        before = slot.templates.get(template)
        slot.templates[template] = spec
        if before is not None and before.category is not spec.category:
            templates.move_lanes(slot, template, before.category, spec.category, now_ms)
            open_category(slot, before.category, now_ms)
            if spec.category is Category.AUTHENTICATION:
                templates.end_quiet(slot, template, now_ms)
        if spec.status is TemplateStatus.APPROVED:
            slot.open_gate((Gate.TEMPLATE, template), now_ms)
            for pair in sorted(slot.struck):
                if spec.lifts and pair[1] == template:
                    slot.struck.discard(pair)
                    slot.strikes.pop(pair, None)
                    slot.open_gate((Gate.TEMPLATE, f"{pair[0]}|{pair[1]}"), now_ms)
        slot.sequence += 1

    async def put_source(self, portfolio: PortfolioId, source: str, spec: SourceSpec) -> None:
        """See Catalog.put_source."""
        slot, now_ms = self.slot(portfolio)
        known = slot.sources.get(source)
        if known is not None and known.spec.state is SourceState.CANCELLED:
            return
        state = slot.sources.setdefault(source, SourceStateOf(spec))
        state.spec = spec
        slot.openings.drop(source)
        if spec.state is SourceState.SCHEDULED:
            slot.openings.put(source, spec.start_at_ms)
        if spec.state is SourceState.RUNNING:
            slot.open_gate((Gate.SOURCE, source), now_ms)
        if spec.state is SourceState.CANCELLED:
            for number in state.lanes:
                cancel_waiting(slot, slot.lanes[number])
        slot.sequence += 1

    # -- QuietLedger --------------------------------------------------------------------------

    async def put_quiet(self, portfolio: PortfolioId, source: str, open_: dict[str, Spans]) -> None:
        """See QuietLedger.put_quiet."""
        slot, now_ms = self.slot(portfolio)
        quiet.put_quiet(slot, source, open_, now_ms)

    async def end_quiet(self, portfolio: PortfolioId, source: str) -> None:
        """See QuietLedger.end_quiet."""
        slot, now_ms = self.slot(portfolio)
        quiet.end_quiet(slot, source, now_ms)

    async def zones(self, portfolio: PortfolioId, source: str) -> list[ZoneStanding]:
        """See QuietLedger.zones."""
        slot, now_ms = self.slot(portfolio)
        return quiet.zones(slot, source, now_ms)

    # -- more of Catalog ------------------------------------------------------------------------

    async def close_account(
        self, portfolio: PortfolioId, waba: WabaId, until_ms: int, shut: Shut = NOTHING_SHUT
    ) -> None:
        """See Catalog.close_account."""
        slot, now_ms = self.slot(portfolio)
        known_ms = slot.accounts.get(waba, 0)
        slot.accounts[waba] = closed_until_ms(
            slot, (Gate.ACCOUNT, waba), known_ms, until_ms, now_ms
        )
        put_shut(slot, (Gate.ACCOUNT, waba), shut, now_ms)
        self._look_again(slot, now_ms)

    async def put_borders(
        self, portfolio: PortfolioId, waba: WabaId, borders: Sequence[Border]
    ) -> None:
        """See Borders.put_borders."""
        slot, _ = self.slot(portfolio)
        slot.borders[waba] = borders
        slot.sequence += 1

    async def cancel_job(self, portfolio: PortfolioId, key: JobKey) -> Cancelled:
        """See Cancellation.cancel_job."""
        slot, _ = self.slot(portfolio)
        return cancel(slot, key)

    @staticmethod
    def _look_again(slot: Slot, now_ms: int) -> None:
        """Have the next claim look at every sender: a gate may have opened."""
        for sender in slot.senders:
            slot.due.sooner(sender, now_ms)
        slot.sequence += 1

    # -- TemplateJobs -------------------------------------------------------------------------

    async def end_template(self, portfolio: PortfolioId, template: str) -> dict[str, int]:
        """See TemplateJobs.end_template."""
        slot, _ = self.slot(portfolio)
        return templates.end_template(slot, template)

    async def users(self, portfolio: PortfolioId, template: str, since_ms: int) -> list[str]:
        """See TemplateJobs.users."""
        slot, _ = self.slot(portfolio)
        return templates.users(slot, template, since_ms)

    async def repoint(self, portfolio: PortfolioId, source: str, wish: Repoint) -> int:
        """See TemplateJobs.repoint."""
        slot, now_ms = self.slot(portfolio)
        return templates.repoint(slot, source, wish, now_ms)

    async def take_place(self, portfolio: PortfolioId, wish: PlaceWish) -> Place:
        """See Places.take_place."""
        slot, now_ms = self.slot(portfolio)
        return place.take_place(slot, wish, now_ms)

    async def give_place(self, portfolio: PortfolioId, wish: PlaceWish, taken_ms: int) -> None:
        """See Places.give_place."""
        slot, now_ms = self.slot(portfolio)
        place.give_place(slot, wish, taken_ms, now_ms)

    # -- Contents -----------------------------------------------------------------------------

    async def put_content(self, portfolio: PortfolioId, source: str, body: bytes) -> int:
        """See Contents.put_content."""
        slot, _ = self.slot(portfolio)
        state = slot.sources.setdefault(source, SourceStateOf(SourceSpec()))
        state.contents.append(body)
        return len(state.contents)

    async def content(self, portfolio: PortfolioId, source: str, version: int) -> bytes:
        """See Contents.content."""
        slot, _ = self.slot(portfolio)
        state = slot.sources.get(source)
        if state is None or not 0 < version <= len(state.contents):
            raise UnknownNameError(f"{source} has no content version {version}")
        return state.contents[version - 1]

    async def suppress(
        self, portfolio: PortfolioId, recipient: RecipientKey, category: Category | None
    ) -> None:
        """See Contents.suppress."""
        slot, _ = self.slot(portfolio)
        slot.suppressed.add((recipient, category.value if category else ""))
        slot.sequence += 1

    async def unsuppress(
        self, portfolio: PortfolioId, recipient: RecipientKey, category: Category | None
    ) -> None:
        """See Contents.unsuppress."""
        slot, _ = self.slot(portfolio)
        slot.suppressed.discard((recipient, category.value if category else ""))
        slot.sequence += 1

    # -- Books --------------------------------------------------------------------------------

    async def quota(self, portfolio: PortfolioId, sender: SenderId | None = None) -> Quota:
        """See Books.quota."""
        slot, now_ms = self.slot(portfolio)
        return books.quota(slot, slot.scope(sender) if sender else "", now_ms)

    async def counts(self, portfolio: PortfolioId, source: str) -> Counts:
        """See Books.counts."""
        slot, _ = self.slot(portfolio)
        if source not in slot.sources:
            raise UnknownNameError(f"there is no source {source}")
        return books.counts(slot, source)

    async def job(self, portfolio: PortfolioId, key: JobKey) -> JobView | None:
        """See Books.job."""
        slot, now_ms = self.slot(portfolio)
        return books.job(slot, key, now_ms)

    async def depths(self, portfolio: PortfolioId) -> list[Depth]:
        """See Books.depths."""
        slot, now_ms = self.slot(portfolio)
        return books.depths(slot, now_ms)

    async def audit(self, portfolio: PortfolioId) -> list[str]:
        """See Books.audit."""
        slot, _ = self.slot(portfolio)
        return books.audit(slot)
