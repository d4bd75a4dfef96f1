"""What is heard of the world besides webhooks: answers that close, and what Meta is asked."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from adapters.meta.codes import TOKEN_CODES, verdict
from adapters.meta.facts import SPREAD_MS, closing_fact, closing_facts, facts_of_number
from adapters.meta.folding import Folding
from adapters.meta.management import Management
from adapters.meta.webhook import Webhook
from adapters.redis.letterbox import Inbox
from adapters.redis.registry import RedisRegistry
from adapters.settings import Settings
from engine.borders import border_to
from engine.directory import Sender
from engine.errors import EngineError, ProviderRefusedError
from engine.events import Emit, FactChanged, GateClosed, Journey
from engine.facts import Fact, Source, of_account
from engine.keeper import Keeper, World
from engine.model import Gate, NowMs, SenderId, WabaId
from engine.outcomes import Deferred
from engine.ports import FOREVER_MS
from engine.senders import ALERT, LIMIT, QUALITY, REVIEW, SECURITY, VIOLATION, QualityGuard
from engine.silence import WEBHOOKS

ASK_AGAIN_S: Final = 300.0  # after Meta gave no answer about a number
LOUD: Final = frozenset(
    {ALERT, QUALITY, SECURITY, VIOLATION, LIMIT, WEBHOOKS}
)  # somebody should look
HELD: Final = frozenset({Gate.SENDER, Gate.ACCOUNT})

log = structlog.get_logger("penstock")


class Closings:
    """Gates that an answer closed, on their way into the registry; no send waits for that.

    The ledger has closed them already. Here all processes learn why, and a gate that was closed by
    an answer to an old token opens again.
    """

    def __init__(self, registry: RedisRegistry, keeper: Keeper) -> None:
        self._registry = registry
        self._keeper = keeper
        self._waiting: asyncio.Queue[GateClosed] = asyncio.Queue()

    def add(self, event: GateClosed) -> None:
        """Take what an answer closed."""
        if event.gate in HELD:
            self._waiting.put_nowait(event)

    async def note_next(self) -> None:
        """Wait for a closing and have it known; one that could not be told comes again."""
        event = await self._waiting.get()
        try:
            await self._registry.refresh()
            for fact in self.facts_of(event):
                await self._keeper.tell(fact)
        except EngineError:
            self._waiting.put_nowait(event)
            raise

    async def note_border(self, sender: SenderId, to: str, at_ms: int) -> None:
        """Have known that Meta refused an account's message because of its person's country."""
        known = self._registry.directory.senders.get(sender)
        fact = border_to(known.waba_id, to, at_ms) if known else None
        if fact is not None:
            await self._keeper.tell(fact)

    def facts_of(self, event: GateClosed) -> list[Fact]:
        """Return what a closing means: of a refused token, for everybody who has the same."""
        causes = [each for each in event.causes if self._is_of(each, event)]
        if not causes:
            return []
        job, outcome, sent_us, _ = max(causes, key=_opens_at_ms)
        if not isinstance(outcome, Deferred) or is_ours(outcome):
            return []
        sender, waba, at_ms = job.lane.sender, WabaId(event.key), sent_us // 1_000
        row = verdict(outcome.code)
        if row.code not in TOKEN_CODES:
            directory, until_ms = self._registry.directory, outcome.until_ms
            return closing_facts(directory, row, waba, sender, at_ms, until_ms)
        return refused_facts(self._registry, sender, row.code, at_ms - SPREAD_MS)

    def _is_of(self, cause: Journey, event: GateClosed) -> bool:
        """Return whether an answer was to a number that this gate is about."""
        sender = cause[0].lane.sender
        if event.gate is Gate.SENDER:
            return sender == event.key
        known = self._registry.directory.senders.get(sender)
        return known is not None and known.waba_id == event.key


def is_ours(outcome: Deferred) -> bool:
    """Return whether no answer closed it: no token yet, or a breaker; it opens in a moment."""
    return not outcome.code and outcome.until_ms < FOREVER_MS


def refused_facts(registry: RedisRegistry, sender: SenderId, code: int, at_ms: int) -> list[Fact]:
    """Return that Meta refuses a sender's token, for each sender that uses it."""
    token = registry.token_of(sender)
    numbers = [SenderId(name) for name in registry.directory.senders]
    same = [each for each in numbers if registry.token_of(each) == token]
    names = same if token else [sender]
    facts = [closing_fact(verdict(code), WabaId(""), name, at_ms) for name in names]
    return [fact for fact in facts if fact is not None]


class Asking:
    """Asks Meta about numbers: when an operator wants it, and when a webhook says that it must."""

    def __init__(self, registry: RedisRegistry, keeper: Keeper, management: Management) -> None:
        self._registry = registry
        self._keeper = keeper
        self._management = management
        self._waiting: dict[SenderId, None] = {}
        self._has_come = asyncio.Event()
        self._asked: asyncio.Task[None] | None = None

    def soon(self, sender: SenderId) -> None:
        """Ask about a number in its turn."""
        self._waiting[sender] = None
        self._has_come.set()

    def ask_about_unknown(self) -> None:
        """Ask about the numbers of which Meta never answered anything."""
        asked = {
            fact.about[1]
            for fact in self._keeper.facts.values()
            if fact.source is Source.REFRESH and fact.about[0] == "sender"
        }
        for name in self._registry.directory.senders:
            if name not in asked:
                self.soon(SenderId(name))

    async def ask_next(self) -> None:
        """Wait for a number to ask about, and ask; without an answer, later again."""
        await self._has_come.wait()
        if not self._waiting:
            self._has_come.clear()
            return
        name = next(iter(self._waiting))
        del self._waiting[name]
        sender = self._registry.directory.senders.get(name)
        if sender is None:
            return
        self._asked = asyncio.create_task(self.refresh(sender))
        try:
            await self._asked
        except EngineError as error:
            log.warning("number_not_asked", sender=name, error=str(error), again_s=ASK_AGAIN_S)
            asyncio.get_running_loop().call_later(ASK_AGAIN_S, self.soon, name)

    async def stop(self) -> None:
        """Give up what is being asked, and ask nothing more in turn."""
        self._waiting.clear()
        if self._asked is not None:
            self._asked.cancel()
            await asyncio.gather(self._asked, return_exceptions=True)

    async def refresh(self, sender: Sender) -> None:
        """Ask Meta about a number and obey what it answers; EngineError when it does not.

        A refused token closes all numbers that use it, as a refused send would. What was told
        while Meta was asked is newer than its answer, or nobody knows: it stays, and Meta is asked
        again.
        """
        await self._registry.refresh()
        token = self._registry.token_of(sender.id)
        before, asked_ms = dict(self._keeper.facts), self._keeper.now_ms()
        try:
            number = await self._management.number(sender.waba_id, sender.id, token)
        except ProviderRefusedError as error:
            if error.code in TOKEN_CODES:
                await self._registry.refresh()
                if self._registry.token_of(sender.id) == token:  # else it has a new one by now
                    for fact in refused_facts(self._registry, sender.id, error.code, asked_ms):
                        await self._keeper.tell(fact)
            raise
        await self._registry.refresh()
        directory = self._registry.directory
        told = facts_of_number(number, sender, directory, asked_ms)
        for fact in told:
            if directory.facts.get(fact.id) == before.get(fact.id):
                await self._keeper.tell(fact)
            else:
                self.soon(sender.id)
        await self._refresh_account(sender, token)

    async def _refresh_account(self, sender: Sender, token: str) -> None:
        """Ask about the account's review; a token that may read only numbers is no fault."""
        asked_ms = self._keeper.now_ms()
        try:
            review = await self._management.review(sender.waba_id, token)
        except ProviderRefusedError as error:
            log.info("account_not_asked", waba=sender.waba_id, error=str(error))
            return
        if review:
            name = of_account(sender.waba_id, REVIEW)
            await self._keeper.tell(Fact(name, review, asked_ms, Source.REFRESH))


def _opens_at_ms(cause: Journey) -> int:
    return cause[1].until_ms if isinstance(cause[1], Deferred) else 0


def build_keeper(
    settings: Settings, registry: RedisRegistry, ledger: World, emit: Emit, now_ms: NowMs
) -> Keeper:
    """Return what keeps the gates as the world is."""
    guard = QualityGuard(settings.yellow_share, settings.red_share)
    return Keeper(registry, ledger, emit=emit, now_ms=now_ms, guard=guard)


def build_webhook(settings: Settings, inbox: Inbox) -> Webhook:
    """Return the door for Meta's webhooks."""
    token = settings.meta_verify_token.reveal() if settings.meta_verify_token else ""
    return Webhook(app_secrets=settings.app_secrets, verify_token=token, inbox=inbox.keep)


def counted(webhook: Webhook, folding: Folding | None) -> dict[tuple[str, ...], int]:
    """Return webhook calls (field `all`), and what they brought by field, by what became of it."""
    calls = {"kept": webhook.kept, **webhook.refused}
    shown: dict[tuple[str, ...], int] = {("all", name): times for name, times in calls.items()}
    return shown | dict(folding.results) if folding else shown


def tell_changed(event: FactChanged) -> None:
    """Write that a number, an account or a portfolio is not as it was: loudly when that closes."""
    fact = event.fact
    kind, name, aspect = fact.about
    is_fine = aspect == QUALITY and fact.value == "GREEN"
    is_news = fact.source is not Source.OPERATOR and aspect in LOUD and not is_fine
    write = log.warning if fact.until_ms or is_news else log.info
    write(
        f"{kind}_changed",
        aspect=aspect,
        was=event.before.value if event.before else "",
        now=fact.value,
        closed_until_ms=fact.until_ms,
        source=fact.source.value,
        detail=fact.detail,
        **{kind: name},
    )
