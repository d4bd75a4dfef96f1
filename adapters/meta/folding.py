"""Folding: webhook bodies from the inbox into the ledger and the registry, any number of times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Final, Protocol

from adapters.meta import wire
from adapters.meta.codes import verdict
from adapters.meta.entries import Entry, arrived_ms, in_steps
from adapters.meta.facts import closing_facts, facts_of, moment, to_ask
from adapters.meta.news import (
    GROUP,
    IN_WINDOW,
    Failure,
    Inbound,
    Notice,
    NumberError,
    Parsed,
    Preference,
    TemplateCategoryChanged,
    TemplateEdited,
    TemplateQualityChanged,
    TemplateStatusChanged,
    Told,
)
from adapters.meta.parsing import parse
from adapters.meta.preferring import STOPPED_CODE, Preferring
from adapters.meta.template_folding import TemplateFolding
from adapters.meta.wire import to_ms
from engine.borders import BORDER_CODE, border_to
from engine.directory import Registry
from engine.errors import EngineError
from engine.facts import Fact
from engine.inbound import (
    RECENT_MS,
    SERVICE_WINDOW_MS,
    Arrival,
    Arrivals,
    Throughput,
    Windows,
)
from engine.keeper import Keeper
from engine.model import PortfolioId, Priority, SenderId
from engine.ports import Catalog, Contents, Receipts
from engine.receipts import ReceiptFolder, StatusSeen
from engine.suppressions import Leads, Pair, Word
from engine.template_ports import PlaceWish, TakesBack

TEMPLATE_NEWS: Final = (
    TemplateStatusChanged,
    TemplateQualityChanged,
    TemplateCategoryChanged,
    TemplateEdited,
)
BODIES_MAX: Final = 100  # read at once
BLOCK_MS: Final = 1_000

Ask = Callable[[SenderId], None]  # have Meta asked about a number, soon
Heard = Callable[[Iterable[str]], None]  # statuses of these numbers came


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


class Hearer(Catalog, Contents, Receipts, Throughput, TakesBack, Protocol):
    """What of the ledger hears of webhooks."""


class Folding:
    """Reads bodies in batches, folds them, and only then lets go of them."""

    def __init__(
        self,
        inbox: Inbox,
        folder: ReceiptFolder,
        ledger: Hearer,
        registry: Registry,
        preferring: Preferring,
        keeper: Keeper,
        ask: Ask,
        templates: TemplateFolding,
        heard: Heard,
        arrivals: Arrivals,
        windows: Windows,
    ) -> None:
        self._inbox = inbox
        self._folder = folder
        self._ledger = ledger
        self._registry = registry
        self._preferring = preferring
        self._keeper = keeper
        self._ask = ask
        self._templates = templates
        self._heard = heard
        self._arrivals = arrivals
        self._windows = windows
        self._in_hand: list[Entry] = []  # read, and not folded yet: the ledger was away
        self.results: Counter[tuple[str, str]] = Counter()
        """Items by field and by what became of them, for metrics."""

    async def fold_next(self) -> int:
        """Fold what waits, or what comes within BLOCK_MS; return how many bodies that were.

        LedgerError: what was read stays in hand, and is folded first when this is called again.
        """
        if not self._in_hand:
            self._in_hand = await self._inbox.read(BODIES_MAX, BLOCK_MS)
        return await self._fold_steps(self._in_hand)

    async def fold_abandoned(self) -> int:
        """Fold all that readers have left that died, or found the ledger away."""
        folded = 0
        while entries := await self._inbox.take_over(BODIES_MAX):
            folded += await self._fold_steps(entries)
        return folded

    async def _fold_steps(self, entries: list[Entry]) -> int:
        """Fold bodies, some at a time; raise what some met when the others are folded.

        Those that were looked at leave the list.
        """
        broken: list[Exception] = []
        count = len(entries)
        for some in list(in_steps(entries)):
            try:
                await self._fold(some)
            except EngineError:
                raise
            except Exception as error:  # noqa: BLE001  # ours: raised below
                broken.append(error)
            del entries[: len(some)]
        if broken:
            raise broken[0] if len(broken) == 1 else ExceptionGroup("webhook bodies", broken)
        return count

    async def _fold(self, entries: list[Entry]) -> None:
        """Fold bodies together; only one that meets an error of ours is left where it is."""
        try:
            await self._fold_all(entries)
        except EngineError:
            raise  # the ledger is away: they stay
        except Exception:
            if len(entries) == 1:
                self.results["other", "broken"] += 1
                raise
            await self._fold_one_by_one(entries)

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
        told = [of_number for each in parsed for of_number in each.told]
        failures = [each.failures for each in parsed]
        seen = [each for of_number in told for each in seen_in(of_number)]
        for (entry, _), each in zip(entries, parsed, strict=True):
            seen += [_too_fast(error, arrived_ms(entry)) for error in each.errors if error.code]
        await self._folder.receive(seen)
        await self._give_back()
        self._heard(of_number.sender for of_number in told)
        await self._give_way(parsed)
        await self._templates.note_failures([status for some in failures for status in some])
        await self._unite(parsed)  # first: what is told of a person is for each id
        for (entry, _), each, failed in zip(entries, parsed, failures, strict=True):
            await self._fold_rest(each, failed, arrived_ms(entry))
        await self._inbox.drop([entry for entry, _ in entries])
        for each in parsed:
            self.results.update(each.results)

    async def _give_back(self) -> None:
        """Give back the places of test sends that reached nobody after all."""
        for portfolio, some in self._folder.take_unreached().items():
            for sender, recipient, taken_ms in some:
                wish = PlaceWish(sender, recipient, "", Priority.UTILITY)  # no gate asks for these
                await self._ledger.give_place(portfolio, wish, taken_ms)

    async def _give_way(self, parsed: list[Parsed]) -> None:
        """Let what people wrote just now take from the throughput of their numbers, once.

        A message that is told again, or folded again because a body failed, takes nothing more,
        whichever process heard of it before.
        """
        inbounds = [inbound for each in parsed for inbound in each.inbound]
        if not inbounds:
            return
        now_ms = self._keeper.now_ms()
        came: dict[Arrival, PortfolioId] = {}
        for inbound in inbounds:
            portfolio = self._portfolio_of(inbound.sender)
            is_recent = inbound.at_ms > now_ms - RECENT_MS and inbound.kind != "call"
            if portfolio is not None and is_recent:
                came[inbound.sender, inbound.wamid] = portfolio
        is_new = await self._arrivals.new(list(came), now_ms)
        taken: dict[PortfolioId, Counter[SenderId]] = {}
        for ((sender, _), portfolio), counts in zip(came.items(), is_new, strict=True):
            if counts:
                taken.setdefault(portfolio, Counter())[sender] += 1
        for portfolio, messages in taken.items():
            await self._ledger.take_times(portfolio, messages)

    async def _fold_rest(self, parsed: Parsed, failed: list[Failure], at_ms: int) -> None:
        """Fold item by item; one that cannot be folded is raised when the others are in."""
        broken: list[Exception] = []
        for step in self._steps(parsed, failed, at_ms):
            try:
                await step
            except EngineError:
                raise
            except Exception as error:  # noqa: BLE001  # ours: raised below
                broken.append(error)
        if broken:
            raise broken[0] if len(broken) == 1 else ExceptionGroup("webhook items", broken)

    def _steps(
        self, parsed: Parsed, failed: list[Failure], at_ms: int
    ) -> Iterator[Coroutine[None, None, object]]:
        """Yield what is to be done for each item of a body, in this order."""
        for inbound in parsed.inbound:
            yield self._open_window(inbound, at_ms)
        for preference in parsed.preferences:
            yield self._prefer(preference, at_ms)
        for failure in failed:
            yield self._obey(failure, at_ms)
        for notice in parsed.notices:
            yield self._note(notice, at_ms)
        for fact in self._closing(parsed, failed, at_ms):
            yield self._keeper.tell(fact)

    async def _open_window(self, inbound: Inbound, arrived_ms: int) -> None:
        """Open a window by Meta's time of what came; one without a time, or to come, opens none."""
        portfolio = self._portfolio_of(inbound.sender)
        if portfolio is None or not inbound.opens_window:
            return
        wrote_ms = min(inbound.at_ms, arrived_ms) if arrived_ms else inbound.at_ms
        until_ms = wrote_ms + SERVICE_WINDOW_MS
        for key in await self._preferring.answered_as(portfolio, inbound.person):
            await self._ledger.open_window(portfolio, inbound.sender, key, until_ms)
        await self._preferring.wrote(portfolio, inbound.person)

    async def _prefer(self, preference: Preference, at_ms: int) -> None:
        """Obey what a person wants."""
        portfolio = self._portfolio_of(preference.sender)
        if portfolio is not None:
            await self._preferring.prefer(portfolio, preference, moment(preference.at_ms, at_ms))

    async def _obey(self, failure: Failure, at_ms: int) -> None:
        """Obey what a failed send says of its person."""
        portfolio = self._portfolio_of(failure.sender)
        if portfolio is None:
            return
        when_ms = moment(failure.at_ms, at_ms)
        if failure.code == STOPPED_CODE:
            word = Word(when_ms, stops=True)
            keys = self._preferring.keys(failure.person)
            await self._preferring.obey(portfolio, dict.fromkeys(keys, word))
        if self._preferring.is_about_people(failure.code) and not failure.is_group:
            await self._preferring.miss(portfolio, failure.person, failure.code, when_ms)

    async def _unite(self, parsed: list[Parsed]) -> None:
        """Let stops follow people to the other ids that Meta tells of them."""
        pairs: dict[PortfolioId, list[Pair]] = {
            portfolio: list(some) for portfolio, some in self._folder.take_aliases().items()
        }
        for each in parsed:
            same = {(known.sender, (known.person, known.person)) for known in each.people}
            same |= {(other.sender, (other.before, other.after)) for other in each.changed}
            for sender, persons in same:
                portfolio = self._portfolio_of(sender)
                if portfolio is not None:
                    pairs.setdefault(portfolio, []).extend(self._preferring.pairs(*persons))
        for portfolio, some in pairs.items():
            await self._preferring.unite(portfolio, some)
        for portfolio, leads in self._folder.take_leads().items():
            await self._preferring.lead(portfolio, leads)
        found = {(known.sender, known.person) for each in parsed for known in each.people}
        found |= {(other.sender, other.after) for each in parsed for other in each.changed}
        for sender, person in found:
            portfolio = self._portfolio_of(sender)
            if portfolio is not None:
                fresh = await self._preferring.lead(portfolio, {}, [person])
                await self._carry_windows(portfolio, sender, fresh)

    async def _carry_windows(self, portfolio: PortfolioId, sender: SenderId, leads: Leads) -> None:
        """Have who wrote under one id answered under the one that they count under from now on."""
        for key, lead in leads.items():
            until_ms = await self._windows.until_ms(portfolio, sender, key)
            if until_ms:
                await self._ledger.open_window(portfolio, sender, lead, until_ms)

    async def _note(self, notice: Notice, at_ms: int) -> None:
        if isinstance(notice, TEMPLATE_NEWS):
            await self._templates.note(notice)
            return
        await self._registry.refresh()  # what closed a number is known before it is opened
        directory = self._registry.directory
        for fact in facts_of(notice, directory, at_ms):
            await self._keeper.tell(fact)
        for sender in to_ask(notice, directory):
            self._ask(sender)

    def _closing(self, parsed: Parsed, failed: list[Failure], at_ms: int) -> Iterable[Fact]:
        """Return what errors of numbers and of messages close for everybody, each thing once."""
        told = [(each.sender, each.waba, each.code, at_ms) for each in parsed.errors]
        told += [
            (each.sender, each.waba, each.code, moment(each.at_ms, at_ms))
            for each in failed
            if each.code
        ]
        directory = self._registry.directory
        found = [
            (sender, fact)
            for sender, waba, code, when_ms in told
            for fact in closing_facts(directory, verdict(code), waba, sender, when_ms)
        ]
        found += [
            (each.sender, border)
            for each in failed
            if each.code == BORDER_CODE
            and not each.is_group
            and (border := border_to(each.waba, called(each), moment(each.at_ms, at_ms)))
        ]
        facts: dict[str, Fact] = {}
        for sender, fact in found:
            if self._portfolio_of(sender) is not None:
                known = facts.get(fact.id)
                facts[fact.id] = max(known or fact, fact, key=lambda each: each.at_ms)
        return facts.values()

    def _portfolio_of(self, sender: str) -> PortfolioId | None:
        known = self._registry.directory.senders.get(sender)
        return known.portfolio_id if known else None


def called(failure: Failure) -> str:
    """Return what Meta calls a person we could not reach: digits where told, or a user id."""
    return failure.person.digits or failure.person.user_id


def _too_fast(error: NumberError, at_ms: int) -> StatusSeen:
    """Return an error that names only a number as a message of nobody's that failed with it.

    Of those the engine hears that a number was too fast; what else they close is a fact.
    """
    return StatusSeen(error.sender, "", "failed", at_ms // 1_000, "", code=error.code)


def seen_in(told: Told) -> Iterator[StatusSeen]:
    """Yield a number's statuses as the engine takes them."""
    timestamp: wire.Moment = None
    at_s = 0
    for each in told.statuses:
        if each.timestamp != timestamp:  # those of one body are mostly of the same second
            timestamp, at_s = each.timestamp, to_ms(each.timestamp) // 1_000
        yield StatusSeen(
            told.sender,
            each.id,
            each.status.lower(),
            at_s,
            each.recipient_id or each.recipient_user_id or "",
            each.biz_opaque_callback_data or "",
            each.errors[0].code if each.errors else 0,
            each.recipient_type == GROUP,
            each.pricing is not None and each.pricing.type == IN_WINDOW,
        )
