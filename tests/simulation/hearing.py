"""Who hears of Meta's news in a fortnight: folding, keeper and template changes as a house has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, Protocol, cast

from adapters.house.asking import came_meanwhile
from adapters.house.closings import Closings
from adapters.memory.arrivals import MemoryArrivals
from adapters.memory.preferences import MemoryPreferences, MemoryRests, OneByOne
from adapters.memory.registry import MemoryRegistry
from adapters.meta.codes import RESTS, TOKEN_CODES
from adapters.meta.entries import Entry
from adapters.meta.facts import facts_of_number
from adapters.meta.folding import Folding
from adapters.meta.listings import MetaNumber
from adapters.meta.preferring import Preferring
from adapters.meta.template_folding import TemplateFolding
from engine.directory import Portfolio, Sender, Template
from engine.errors import EngineError
from engine.events import Event, GateClosed
from engine.facts import of_account, of_sender
from engine.keeper import Keeper
from engine.model import Category, Gate, PortfolioId, RecipientKey, SenderId, TemplateStatus, WabaId
from engine.outcomes import Deferred
from engine.ports import FOREVER_MS
from engine.receipts import ReceiptFolder
from engine.recipients import RecipientKeys
from engine.resting import Resting
from engine.senders import (
    ANSWER,
    GIVEN,
    LIMIT,
    PAUSE,
    PAUSED,
    POLICY,
    QUALITY,
    REFUSED,
    TOKEN,
    QualityGuard,
)
from engine.suppressions import Suppressions
from engine.template_changes import TemplateChanges
from engine.template_life import heard_edit, read_again, second_of
from tests.builders import put_in_force
from tests.simulation.faulty_ledger import FaultyLedger
from tests.simulation.judge import Judge
from tests.simulation.known import KnownWorld
from tests.simulation.truth import WABA, Truth, parts_of, shown_number, template_in, told_in
from tests.virtual_time import VirtualTimeLoop

GUARD = QualityGuard(0.5, 0.2)
AGAIN_S = 5.0


class World(Protocol):
    """The fortnight around it."""

    loop: VirtualTimeLoop
    ledger: FaultyLedger
    folder: ReceiptFolder
    judge: Judge
    portfolio: PortfolioId

    def told(self, event: Event) -> None: ...

    def note(self, *facts: object) -> None: ...

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]: ...

    async def changed(self) -> None: ...


class Inbox:
    """One body at a time."""

    def __init__(self) -> None:
        self.waiting: list[Entry] = []

    async def read(self, most: int, block_ms: int) -> list[Entry]:
        assert most > 0 < block_ms
        return list(self.waiting)

    async def take_over(self, most: int) -> list[Entry]:
        assert most > 0
        return []

    async def drop(self, entries: Sequence[bytes]) -> None:
        self.waiting = [entry for entry in self.waiting if entry[0] not in entries]


def _nobody_listens(_numbers: Iterable[str]) -> None:
    """Take no notice that statuses came: silence has tests of its own."""


class NoWindows:
    """See engine.inbound.Windows: the people of this world have one id each."""

    async def until_ms(
        self, portfolio: PortfolioId, sender: SenderId, recipient: RecipientKey
    ) -> int:
        """Know of none."""
        del portfolio, sender, recipient
        return 0


class Hearing:
    """Folds what comes, asks where news left a question, and tells the judge what was told."""

    def __init__(self, world: World, truth: Truth, known: KnownWorld, rng: Random) -> None:
        self._world, self._truth, self._known = world, truth, known
        self._now_ms = world.loop.now_ms
        self._rng = rng
        self.registry = MemoryRegistry()
        self.keeper = Keeper(
            self.registry, world.ledger, emit=world.told, now_ms=self._now_ms, guard=GUARD
        )
        self.changes = TemplateChanges(
            self.registry, world.ledger, *[world.ledger.inner] * 2, now_ms=self._now_ms
        )
        self.closings = Closings(cast("Any", self.registry), self.keeper)
        self._inbox = Inbox()
        self._folding = Folding(
            *(self._inbox, world.folder, world.ledger, self.registry),
            self._preferring(),
            *(self.keeper, self._ask_soon),
            TemplateFolding(self.registry, self.changes, self._now_ms),
            _nobody_listens,
            MemoryArrivals(),
            NoWindows(),
        )
        self._turn = asyncio.Lock()
        self._bodies = 0
        self._to_ask: set[SenderId] = set()

    def _preferring(self) -> Preferring:
        choices, rests = MemoryPreferences(), MemoryRests()
        slots, now_ms = OneByOne(self._world.ledger), self._now_ms
        suppressions = Suppressions(choices, choices, slots, list)
        resting = Resting(rests, rests, choices, slots, RESTS, now_ms)
        return Preferring(suppressions, resting, RecipientKeys(b"simulation"))

    async def open(self, categories: dict[str, Category]) -> None:
        """Furnish the house, as an operator did before the fortnight began."""
        world, now_ms = self._world, self._now_ms()
        portfolio = world.portfolio
        await self.registry.put(Portfolio(portfolio, self._truth.limit))
        for sender, mps in self._truth.numbers.items():
            shown = shown_number(sender)
            await self.registry.put(Sender(sender, portfolio, WabaId(WABA), shown, mps))
            await self.registry.put_token(sender, f"token of {sender}")
            await self.keeper.obey_sender(sender)
            self._known.told(sender, "status", now_ms, 0)
        for key, category in categories.items():
            _, name, language = parts_of(key)
            status = TemplateStatus.APPROVED
            await put_in_force(
                self.changes, Template(WabaId(WABA), name, language, category, status, [])
            )
            self._known.told(key, "template", 0, 0)
        await self.keeper.obey_limit(portfolio)
        self._known.told_limit(self._truth.limit, 0)
        self._known.told(WABA, "account", now_ms, 0)
        world.spawn(self._note_closings())

    # -- webhooks -----------------------------------------------------------------------------

    def post(self, body: bytes) -> None:
        """Hear a webhook."""
        self._world.spawn(self._fold(body))

    async def _fold(self, body: bytes) -> None:
        async with self._turn:
            self._bodies += 1
            entry = f"{self._now_ms()}-{self._bodies}".encode()
            self._inbox.waiting = [(entry, body)]
            await self._until_done(self._folding.fold_next)
        self._judge_told(body)
        await self._world.changed()
        self._ask_stale()

    async def _until_done(self, do: Callable[[], Any]) -> None:
        while True:
            try:
                await do()
            except EngineError:
                await asyncio.sleep(AGAIN_S)
                continue
            return

    def _judge_told(self, body: bytes) -> None:
        """Tell the judge what the engine knows from now on, read by the judge's own rules."""
        at_ms, name, value = told_in(body)
        known, info = self._known, cast("dict[str, Any]", value)
        self._world.note("news", name, at_ms)
        if name == "message_template_status_update":
            is_open = value["event"] == TemplateStatus.APPROVED
            known.told(template_in(value), "template", at_ms, 0 if is_open else FOREVER_MS)
        elif name == "business_capability_update":
            known.told_limit(info["max_daily_conversations_per_business"], at_ms)
        elif "ban_info" in value:
            is_banned = info["ban_info"]["waba_ban_state"] == "DISABLE"
            known.told(WABA, "ban", at_ms, FOREVER_MS if is_banned else 0)
            if not is_banned:
                known.told(WABA, "restriction", at_ms, 0)
        elif "restriction_info" in value:
            ends_ms = info["restriction_info"][0]["expiration"] * 1_000
            known.told(WABA, "restriction", at_ms, ends_ms)

    # -- questions ----------------------------------------------------------------------------

    def _ask_soon(self, sender: SenderId) -> None:
        if sender not in self._to_ask:  # one question about a number waits, as in a house
            self._to_ask.add(sender)
            self._world.spawn(self._ask_later(sender))

    async def _ask_later(self, sender: SenderId) -> None:
        await asyncio.sleep(self._rng.choice((0.1, 5.0, 60.0)))
        self._to_ask.discard(sender)
        await self.refresh(sender)

    async def refresh(self, sender: SenderId) -> None:
        """Ask Meta about a number, which does not answer to a dead token."""
        truth, asked_ms, limit = self._truth, self._now_ms(), self._truth.limit
        if sender in truth.dead_tokens:
            return
        number = MetaNumber(
            id=sender,
            display_phone_number=shown_number(sender),
            verified_name="",
            status="CONNECTED",
            quality=truth.qualities.get(sender, "GREEN"),
            name_status="APPROVED",
            code_verification_status="VERIFIED",
            platform_type="CLOUD_API",
            throughput_mps=None,
            messaging_limit=limit,
        )
        before = dict(self.keeper.facts)
        await asyncio.sleep(self._rng.random() * 3)
        known = self.registry.directory.senders[sender]
        facts = facts_of_number(number, known, self.registry.directory, asked_ms)
        told: set[str] = set()
        for fact in facts:
            if came_meanwhile(self.keeper.facts.get(fact.id), before.get(fact.id), asked_ms):
                self._ask_soon(sender)
                continue
            await self._until_done(partial(self.keeper.tell, fact))
            told.add(fact.id.rpartition("/")[2])
        if QUALITY in told:
            rate = max(1, int(truth.numbers[sender] * GUARD.share(number.quality)))
            self._known.told_quality(sender, number.quality, asked_ms, rate)
        if LIMIT in told:
            self._known.told_limit(
                truth.limit if number.messaging_limit is None else number.messaging_limit, asked_ms
            )
        if TOKEN in told:
            self._known.told(sender, "token", asked_ms, 0)
        await self._world.changed()

    def _ask_stale(self) -> None:
        """Have Meta asked about templates that news left a question about."""
        for key, template in self.registry.directory.templates.items():
            if template.stale_since_ms:
                self._world.spawn(self._read_later(key))

    async def _read_later(self, key: str) -> None:
        await asyncio.sleep(self._rng.choice((2.0, 30.0, 600.0)))
        if self.registry.directory.templates[key].stale_since_ms:
            await self.read_template(key)

    async def read_template(self, key: str) -> None:
        """Ask Meta about a template and put in force what it says."""
        before = self.registry.directory.templates[key]
        asked_ms, status = self._now_ms(), self._truth.templates[key]
        await asyncio.sleep(self._rng.random())

        def read(known: Template | None) -> Template:
            assert known is not None
            answer = replace(known, status=status, stale_since_ms=0)
            return read_again(known, answer, asked_ms, self._now_ms(), before=before)

        await self._until_done(lambda: self.changes.change(key, read))
        until_ms = 0 if status is TemplateStatus.APPROVED else FOREVER_MS
        self._known.told(key, "template", second_of(asked_ms), until_ms)
        self._world.judge.seen.add("asked_template")
        await self._world.changed()
        self._ask_stale()

    # -- answers ------------------------------------------------------------------------------

    def gate_closed(self, event: GateClosed) -> None:
        """Hear what an answer closed, as a house does."""
        self._world.judge.seen.add(f"answer_closed_{event.gate}")
        if event.gate is Gate.TEMPLATE:
            self._world.spawn(self._doubt_template(event.key.partition("|")[2]))
            return
        self.closings.add(event)
        for job, outcome, sent_us, _ in event.causes:
            is_token = isinstance(outcome, Deferred) and outcome.code in TOKEN_CODES
            if is_token and job.lane.sender == event.key:
                self._known.told(event.key, "token", sent_us // 1_000, FOREVER_MS)

    async def _doubt_template(self, key: str) -> None:
        def doubted(known: Template | None) -> Template:
            assert known is not None
            return heard_edit(known, self._now_ms())

        await self.registry.change(Template, key, doubted)
        await self._world.changed()
        self._ask_stale()

    async def _note_closings(self) -> None:
        while True:
            try:
                await self.closings.note_next()
            except EngineError:
                await asyncio.sleep(AGAIN_S)
                continue
            await self._world.changed()

    # -- operators ----------------------------------------------------------------------------

    async def look_after(self) -> None:
        """Open by hand what answers closed until somebody looks; give new tokens."""
        facts = self.registry.directory.facts
        for sender in self._truth.numbers:
            token = facts.get(of_sender(sender, TOKEN))
            if token is not None and token.value == REFUSED:
                await self.give_token(sender)
            await self._end(of_sender(sender, ANSWER))
        for aspect in (ANSWER, POLICY):
            await self._end(of_account(WABA, aspect))
        await self._world.changed()

    async def _end(self, name: str) -> None:
        fact = self.registry.directory.facts.get(name)
        if fact is not None and fact.until_ms > self._now_ms():
            await self._until_done(lambda: self.keeper.order(name, ""))

    async def give_token(self, sender: SenderId) -> None:
        """Give a number a token that works."""
        self._truth.dead_tokens.discard(sender)
        await self._until_done(lambda: self.keeper.order(of_sender(sender, TOKEN), GIVEN))
        given = self.registry.directory.facts[of_sender(sender, TOKEN)]
        self._known.told(sender, "token", given.at_ms, 0)
        self._world.judge.seen.add("new_token")
        await self._world.changed()

    async def pause(self, sender: SenderId, *, is_paused: bool) -> None:
        """Stop a number by hand, or let it go on."""
        name, until_ms = of_sender(sender, PAUSE), FOREVER_MS if is_paused else 0
        value = PAUSED if is_paused else ""
        await self._until_done(lambda: self.keeper.order(name, value, until_ms))
        at_ms = self.registry.directory.facts[name].at_ms
        self._known.told(sender, "pause", at_ms, until_ms)
        await self._world.changed()

    async def ask_all(self) -> None:
        """Ask Meta about everything: what got lost is known after it."""
        for sender in self._truth.numbers:
            await self.refresh(sender)
        for key in self._truth.templates:
            await self.read_template(key)
