"""What webhooks say of our messages, folded into batches that the ledger takes as evidence.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from engine.events import Emit, GateClosed, StatusesForeign, StatusesReceived, guarded
from engine.model import DeliveryStatus, PortfolioId, RecipientKey, SenderId
from engine.opaque import TRIAL, OpaqueCodec
from engine.ports import Receipt, Receipts, Received

STATUSES = {
    "sent": DeliveryStatus.SENT,
    "delivered": DeliveryStatus.DELIVERED,
    "read": DeliveryStatus.READ,
    "played": DeliveryStatus.READ,  # of a voice message
    "failed": DeliveryStatus.UNDELIVERED,
}
REACHED = frozenset({DeliveryStatus.DELIVERED, DeliveryStatus.READ})

PortfolioOf = Callable[[str], PortfolioId | None]  # by phone number id
KeyOf = Callable[[str], RecipientKey]  # by what Meta calls the person
Undelivered = Callable[[int], bool]  # whether a failure's code proves that nobody was reached
Throttled = Callable[[int], bool]  # whether it says that the sender was too fast


@dataclass(slots=True)
class StatusSeen:
    """One status as a webhook brought it."""

    phone_number_id: str
    wamid: str
    status: str
    at_s: int
    recipient_id: str
    opaque: str = ""
    code: int = 0
    is_group: bool = False  # then its recipient is no person
    pricing_free: bool = False  # Meta says it was inside a service window: it does not count


class Unreached(NamedTuple):
    """A test send that reached nobody after all, and when its place was taken."""

    sender: SenderId
    recipient: RecipientKey
    taken_ms: int


class ReceiptFolder:
    """Turns statuses into receipts of their portfolios and hands each portfolio's batch over."""

    def __init__(
        self,
        *,
        receipts: Receipts,
        opaque: OpaqueCodec,
        portfolio_of: PortfolioOf,
        key_of: KeyOf,
        undelivered: Undelivered,
        throttled: Throttled,
        emit: Emit,
    ) -> None:
        self._receipts = receipts
        self._opaque = opaque
        self._portfolio_of = portfolio_of
        self._key_of = key_of
        self._undelivered = undelivered
        self._throttled = throttled
        self._emit = guarded(emit)
        self._aliases: dict[PortfolioId, set[tuple[RecipientKey, RecipientKey]]] = {}
        self._leads: dict[PortfolioId, dict[RecipientKey, RecipientKey]] = {}
        self._unreached: dict[PortfolioId, set[Unreached]] = {}

    def take_aliases(self) -> dict[PortfolioId, set[tuple[RecipientKey, RecipientKey]]]:
        """Return the ids that Meta gave people we wrote to, where theirs was another; each once.

        So it is in Brazil, Mexico and Argentina, whose numbers have two forms, and with user ids.
        """
        aliases, self._aliases = self._aliases, {}
        return aliases

    def take_leads(self) -> dict[PortfolioId, dict[RecipientKey, RecipientKey]]:
        """Return the numbers that Meta gave people we wrote to under another id; each once."""
        leads, self._leads = self._leads, {}
        return leads

    def take_unreached(self) -> dict[PortfolioId, set[Unreached]]:
        """Return the test sends whose places are to be given back; each once."""
        unreached, self._unreached = self._unreached, {}
        return unreached

    async def receive(self, statuses: Iterable[StatusSeen]) -> dict[PortfolioId, Received]:
        """Record statuses; LedgerError when that is not sure: then all of them may come again."""
        answers: dict[PortfolioId, Received] = {}
        for portfolio, batch in self.fold(statuses).items():
            received = answers[portfolio] = await self._receipts.receive(portfolio, batch)
            settled, cancelled = received.settled, received.cancelled_repeats
            self._emit(StatusesReceived(portfolio, batch, settled, cancelled))
            for gate, key in received.closed:
                self._emit(GateClosed(portfolio, gate, key))
        return answers

    def fold(self, statuses: Iterable[StatusSeen]) -> dict[PortfolioId, list[Receipt]]:
        """Return what each portfolio's ledger should hear, in the order it came."""
        batches: dict[PortfolioId, list[Receipt]] = {}
        foreign = 0
        number: str | None = None
        portfolio: PortfolioId | None = None
        for seen in statuses:
            if seen.phone_number_id != number:  # they come number by number
                number = seen.phone_number_id
                portfolio = self._portfolio_of(number)
            if portfolio is None:
                foreign += 1
                continue
            receipt = self._receipt(seen)
            if receipt is not None and receipt.key is not None and receipt.key.lane == TRIAL:
                receipt = self._of_trial(portfolio, receipt)
            if receipt is not None:
                self._note_alias(portfolio, seen, receipt)
                batches.setdefault(portfolio, []).append(receipt)
        if foreign:
            self._emit(StatusesForeign(foreign))
        return batches

    def _of_trial(self, portfolio: PortfolioId, receipt: Receipt) -> Receipt | None:
        """Return what a status of a test send proves of its person: a delivery, as anybody's."""
        assert receipt.key is not None
        taken_ms = receipt.key.sequence
        if receipt.undelivered and taken_ms:
            unreached = Unreached(SenderId(receipt.sender), receipt.recipient, taken_ms)
            self._unreached.setdefault(portfolio, set()).add(unreached)
        is_evidence = receipt.status in REACHED or receipt.throttled
        return replace(receipt, key=None, attempt=0) if is_evidence else None

    def _note_alias(self, portfolio: PortfolioId, seen: StatusSeen, receipt: Receipt) -> None:
        """Note that the person has another id than the one that we wrote to."""
        if receipt.key is not None and seen.recipient_id and not seen.is_group:
            theirs = self._key_of(seen.recipient_id)
            if theirs != receipt.recipient:
                self._aliases.setdefault(portfolio, set()).add((receipt.recipient, theirs))
                if seen.recipient_id.isdecimal():
                    self._leads.setdefault(portfolio, {})[receipt.recipient] = theirs

    def _receipt(self, seen: StatusSeen) -> Receipt | None:
        """Return the evidence in one status; None when it proves nothing that we count."""
        status = STATUSES.get(seen.status)
        ours = self._opaque.decode(seen.opaque) if seen.opaque else None
        failed = status is DeliveryStatus.UNDELIVERED
        throttled = failed and self._throttled(seen.code)
        if status is None or (ours is None and status not in REACHED and not throttled):
            return None
        if ours is not None:
            key, attempt, recipient = ours
        else:
            key, attempt, recipient = None, 0, self._key_of(seen.recipient_id)
        return Receipt(
            key,
            attempt,
            recipient,
            status,
            # Meta gives whole seconds: the last moment that it may mean is the safe one.
            seen.at_s * 1_000 + 999,
            seen.wamid,
            seen.code,
            not seen.pricing_free,
            failed and self._undelivered(seen.code),
            seen.phone_number_id,
            throttled,
        )
