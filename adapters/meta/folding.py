"""Folding: webhook bodies from the inbox into the ledger and the registry, any number of times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from adapters.meta.news import (
    AccountChanged,
    Inbound,
    LimitChanged,
    Notice,
    Parsed,
    Person,
    Preference,
    Status,
    TemplateCategoryChanged,
    TemplateEdited,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from adapters.meta.parsing import parse
from adapters.meta.template_folding import TemplateFolding
from engine.directory import Registry
from engine.errors import EngineError
from engine.model import Category, PortfolioId, RecipientKey
from engine.ports import Catalog, Contents, PortfolioSpec, Receipts
from engine.quota import DAY_MS, default_reserve
from engine.receipts import ReceiptFolder, StatusSeen
from engine.recipients import RecipientKeys

SERVICE_WINDOW_MS: Final = DAY_MS  # M/messages/send-messages
RESUMED: Final = frozenset({"resume", "signup"})  # a word we do not know lifts no stop
BODIES_MAX: Final = 100  # folded at once
BLOCK_MS: Final = 1_000

Entry = tuple[bytes, bytes]


class Inbox(Protocol):
    """Where bodies wait until they are folded."""

    async def read(self, most: int, block_ms: int) -> list[Entry]:
        """Wait for bodies that nobody reads yet."""
        ...

    async def take_over(self, most: int) -> list[Entry]:
        """Return bodies whose reader died."""
        ...

    async def drop(self, entries: Sequence[bytes]) -> None:
        """Note that these were folded."""
        ...


class Told(Catalog, Contents, Receipts, Protocol):
    """What of the ledger hears of webhooks."""


class Folding:
    """Reads bodies in batches, folds them, and only then lets go of them."""

    def __init__(
        self,
        inbox: Inbox,
        folder: ReceiptFolder,
        ledger: Told,
        registry: Registry,
        recipients: RecipientKeys,
        templates: TemplateFolding,
    ) -> None:
        self._inbox = inbox
        self._folder = folder
        self._ledger = ledger
        self._registry = registry
        self._recipients = recipients
        self._templates = templates
        self.folded: Counter[str] = Counter()
        """Items by kind, for metrics."""

    async def fold_next(self) -> int:
        """Fold what waits, or what comes within BLOCK_MS; return how many bodies that were."""
        return await self._fold(await self._inbox.read(BODIES_MAX, BLOCK_MS))

    async def fold_abandoned(self) -> int:
        """Fold what a reader that died has left."""
        return await self._fold(await self._inbox.take_over(BODIES_MAX))

    async def _fold(self, entries: list[Entry]) -> int:
        """Fold bodies together; only one that meets an error of ours is left where it is."""
        if not entries:
            return 0
        try:
            await self._fold_all(entries)
        except EngineError:
            raise  # the ledger is away: they stay, and come again
        except Exception:
            if len(entries) == 1:
                self.folded["broken"] += 1
                raise
            await self._fold_one_by_one(entries)
        return len(entries)

    async def _fold_one_by_one(self, entries: list[Entry]) -> None:
        """Fold all that can be folded; raise the errors of those that cannot."""
        broken: list[Exception] = []
        for entry in entries:
            try:
                await self._fold([entry])
            except EngineError:
                raise
            except Exception as error:  # noqa: BLE001  # ours: raised below, when the others are in
                broken.append(error)
        if broken:
            raise ExceptionGroup("webhook bodies that cannot be folded", broken)

    async def _fold_all(self, entries: list[Entry]) -> None:
        parsed = [parse(body) for _, body in entries]
        statuses = [status for each in parsed for status in each.statuses]
        await self._folder.receive([_seen(status) for status in statuses])
        await self._templates.note_failures(statuses)
        for each in parsed:
            await self._fold_rest(each)
        await self._inbox.drop([entry for entry, _ in entries])
        self.folded["statuses"] += len(statuses)

    async def _fold_rest(self, parsed: Parsed) -> None:
        for inbound in parsed.inbound:
            await self._open_window(inbound)
        for preference in parsed.preferences:
            await self._prefer(preference)
        for notice in parsed.notices:
            await self._note(notice)
        self.folded["malformed"] += parsed.malformed
        self.folded["unknown"] += parsed.unknown

    async def _open_window(self, inbound: Inbound) -> None:
        portfolio = self._portfolio_of(inbound.sender)
        if portfolio is None or not inbound.opens_window:
            return
        until_ms = inbound.at_ms + SERVICE_WINDOW_MS
        for key in self._keys(inbound.person):
            await self._ledger.open_window(portfolio, inbound.sender, key, until_ms)
        self.folded["inbound"] += 1

    async def _prefer(self, preference: Preference) -> None:
        portfolio = self._portfolio_of(preference.sender)
        if portfolio is None:
            return
        for key in self._keys(preference.person):
            if preference.value == "stop":
                await self._ledger.suppress(portfolio, key, Category.MARKETING)
            elif preference.value in RESUMED:
                await self._ledger.unsuppress(portfolio, key, Category.MARKETING)
        self.folded["preferences"] += 1

    async def _note(self, notice: Notice) -> None:
        match notice:
            case (
                TemplateStatusChanged()
                | TemplateQualityChanged()
                | TemplateCategoryChanged()
                | TemplateEdited()
            ):
                await self._templates.note(notice)
            case LimitChanged(places=int(places)):
                await self._change_limit(notice.waba, places)
            case AccountChanged(closed_until_ms=int(until_ms)):
                await self._change_account(notice, until_ms)
            case _:
                pass
        self.folded["notices"] += 1

    async def _change_account(self, notice: AccountChanged, until_ms: int) -> None:
        portfolio = self._portfolio_of_waba(notice.waba)
        if portfolio is not None:
            reason = notice.event.lower()
            await self._ledger.close_account(portfolio, notice.waba, until_ms, reason)

    async def _change_limit(self, waba: str, places: int) -> None:
        name = self._portfolio_of_waba(waba)
        known = self._registry.directory.portfolios.get(name or "")
        if known is None:
            return
        spec = PortfolioSpec(
            places=places,
            scope=known.quota_scope,
            headroom=known.headroom,
            reserve=default_reserve(places, known.reserve),
            used_before=known.used_before,
        )
        await self._ledger.put_portfolio(known.id, spec)
        await self._registry.put(replace(known, messaging_limit=places))

    def _portfolio_of(self, sender: str) -> PortfolioId | None:
        known = self._registry.directory.senders.get(sender)
        return known.portfolio_id if known else None

    def _portfolio_of_waba(self, waba: str) -> PortfolioId | None:
        senders = self._registry.directory.senders.values()
        return next((each.portfolio_id for each in senders if each.waba_id == waba), None)

    def _keys(self, person: Person) -> list[RecipientKey]:
        """Return the keys of all ids of a person: either may be what a job was sent to."""
        ids = (person.digits, person.user_id)
        return [self._recipients.key(identity) for identity in ids if identity]


def _seen(status: Status) -> StatusSeen:
    """Return a status as the engine takes it."""
    return StatusSeen(
        phone_number_id=status.sender,
        wamid=status.wamid,
        status=status.status,
        at_s=status.at_ms // 1_000,
        recipient_id=status.person.digits or status.person.user_id,
        opaque=status.opaque,
        code=status.code,
        pricing_free=not status.counted,
    )
