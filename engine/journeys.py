"""Journeys: standing sources whose nodes send one message now, and what they ask of each one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from engine.agreeing import agree, move
from engine.books import Books, Counts
from engine.directory import Directory, Journey, Registry
from engine.errors import InvalidJobError, UnknownNameError
from engine.messages import SeveralErrors
from engine.model import JobState, NowMs, PortfolioId, Priority, RecipientKey, SourceState
from engine.ports import Catalog
from engine.quiet import QuietHours
from engine.quiet_keeper import QuietKeeper, quiet_objections, unsorted_rows

MOVES: Mapping[str, SourceState] = {
    "pause": SourceState.PAUSED,  # what it sends waits, what comes waits with it
    "resume": SourceState.RUNNING,
    "stop": SourceState.STOPPED,  # what it sends waits, what comes is refused
}


@dataclass(frozen=True, slots=True)
class Cooling:
    """Whether a journey may write to a person; `until_ms` is when it may again, 0 is now.

    `is_known` says that this very job (by its key) holds the person's cooldown already.
    """

    until_ms: int = 0
    is_known: bool = False


class Cooldowns(Protocol):
    """Who heard from a journey a short while ago. Raises LedgerError when nobody can tell."""

    async def take(
        self,
        portfolio: PortfolioId,
        source: str,
        wishes: Sequence[tuple[RecipientKey, bytes]],
        cooldown_ms: int,
    ) -> list[Cooling]:
        """Begin each person's cooldown where none runs; a wish is a person and the job's key."""
        ...

    async def give_back(
        self, portfolio: PortfolioId, source: str, recipients: Sequence[RecipientKey]
    ) -> None:
        """End cooldowns whose message was not queued after all."""
        ...


class JourneyDoor:
    """What a known journey asks of its jobs; one that nobody described asks nothing."""

    def __init__(self, directory: Directory, cooldowns: Cooldowns, now_ms: NowMs) -> None:
        self._directory = directory
        self.cooldowns = cooldowns
        self._now_ms = now_ms

    def of(self, source: str) -> Journey | None:
        """Return the journey that a source names."""
        kind, _, name = source.partition(":")
        return self._directory.journeys.get(name) if kind == "journey" else None

    def expires_at_ms(self, journey: Journey, expires_at_ms: int, not_before_ms: int) -> int:
        """Return when a trigger is stale: as its job says, else by the journey's TTL."""
        if expires_at_ms or not journey.ttl_ms:
            return expires_at_ms
        return max(self._now_ms(), not_before_ms) + journey.ttl_ms

    def cooldown_refusal(self, journey: Journey, until_ms: int) -> InvalidJobError:
        """Return why a person hears nothing from a journey now, and when again."""
        wait_s = max(1, -(-(until_ms - self._now_ms()) // 1000))
        detail = f"journey {journey.id} wrote to this person less than its cooldown ago"
        remedy = f"it may again in {wait_s} s"
        return InvalidJobError(detail, pointer="/to", code="cooldown", remedy=remedy)


def objection(journey: Journey, portfolio: PortfolioId) -> InvalidJobError | None:
    """Return why a journey takes no job from a sender of this portfolio now."""
    if journey.portfolio_id != portfolio:
        detail = f"journey {journey.id} belongs to portfolio {journey.portfolio_id}"
        remedy = "use one of its senders"
        return InvalidJobError(detail, pointer="/sender", code="other_portfolio", remedy=remedy)
    if journey.state is SourceState.STOPPED:
        detail = f"journey {journey.id} is stopped: it takes nothing until it is resumed"
        remedy = ""
        if journey.stopped_by:
            detail = f"journey {journey.id} was stopped by a change of template "
            detail += journey.stopped_by
            remedy = "resume it to go on without that template: what needs it waits then"
        return InvalidJobError(detail, pointer="/source/id", code="source_stopped", remedy=remedy)
    return None


@dataclass(slots=True)
class JourneyWish:
    """A journey as the caller asked for it."""

    id: str
    name: str = ""
    portfolio: str = ""  # may be left out where there is only one
    weight: int = 1
    priority: Priority | None = None
    ttl_ms: int = 0
    cooldown_ms: int = 0
    on_template_change: str = "resume"
    quiet: QuietHours | None = None
    names_zone: bool = False  # whether the caller said what counts where no zone is known


@dataclass(slots=True)
class JourneyStatus:
    """How a journey goes."""

    journey: Journey
    counts: Counts
    warnings: list[str] = field(default_factory=list[str])


class Journeys:
    """The use cases of whoever runs journeys; their nodes use the door of all jobs."""

    def __init__(
        self,
        registry: Registry,
        catalog: Catalog,
        books: Books,
        *,
        now_ms: NowMs,
        moved: Callable[[Journey], Awaitable[None]] | None = None,
        quiet: QuietKeeper | None = None,
    ) -> None:
        self._registry = registry
        self._catalog = catalog
        self._books = books
        self._now_ms = now_ms
        self._moved = moved
        self._quiet = quiet

    def get(self, journey_id: str) -> Journey:
        """Return a journey; UnknownNameError when there is none."""
        journey = self._registry.directory.journeys.get(journey_id)
        if journey is None:
            raise UnknownNameError(f"there is no journey {journey_id}")
        return journey

    async def put(self, wish: JourneyWish) -> tuple[Journey, bool]:
        """Create or change a journey; return it and whether it is new.

        It runs from its creation on. Its state stays as it is when it is changed, and jobs that
        wait keep the TTL they came with.
        """
        await self._registry.refresh()
        known = self._registry.directory.journeys.get(wish.id)
        portfolio = self._portfolio(wish, known)
        before = known.quiet if known else None
        errors = quiet_objections(wish.quiet, self._quiet)
        if known is not None and wish.quiet is not None and not wish.names_zone:
            counts = await self._books.counts(portfolio, known.source)
            waiting = counts.states.get(JobState.QUEUED, 0) + counts.states.get(JobState.WAITING, 0)
            errors += unsorted_rows(before, wish.quiet, waiting)
        if errors:
            raise SeveralErrors(errors)

        def described(newest: Journey | None) -> Journey:
            return self._described(wish, self._portfolio(wish, newest), newest)

        journey = await self._registry.change(Journey, wish.id, described)
        journey = await agree(self._registry, self._catalog, journey)
        if self._quiet is not None and journey.quiet != before:
            await self._quiet.obey(journey)
        return journey, known is None

    def _described(
        self, wish: JourneyWish, portfolio: PortfolioId, known: Journey | None
    ) -> Journey:
        """Return the journey of a wish, with what a known one has lived through."""
        return Journey(
            id=wish.id,
            name=wish.name or wish.id,
            portfolio_id=portfolio,
            state=known.state if known else SourceState.RUNNING,
            weight=wish.weight,
            priority=wish.priority,
            ttl_ms=wish.ttl_ms,
            cooldown_ms=wish.cooldown_ms,
            created_at_ms=known.created_at_ms if known else self._now_ms(),
            on_template_change=wish.on_template_change,
            stopped_by=known.stopped_by if known else "",
            stopped_from=known.stopped_from if known else None,
            quiet=wish.quiet,
        )

    async def move(self, journey_id: str, action: str) -> Journey:
        """Pause, resume or stop a journey: O(lanes), in force within a second, also for what comes.

        Asking for the state it has already is fine; what a template's change had to do with it is
        forgotten: a person has decided.
        """
        await self._registry.refresh()

        def moved(newest: Journey) -> Journey:
            return replace(newest, state=MOVES[action], stopped_by="", stopped_from=None)

        journey = await move(self._registry, self._catalog, self.get(journey_id), moved)
        if self._moved is not None:
            await self._moved(journey)
        return journey

    async def status(self, journey_id: str) -> JourneyStatus:
        """Return how a journey goes."""
        journey = self.get(journey_id)
        counts = await self._books.counts(journey.portfolio_id, journey.source)
        warnings: list[str] = []
        if journey.state is SourceState.PAUSED and not journey.ttl_ms:
            warnings.append("it is paused and has no TTL: what waits goes when it is resumed")
        if self._quiet is not None and (held := await self._quiet.held(journey)).jobs:
            warnings.append(held.sentence)
        if journey.stopped_by:
            then = "resume it yourself, when its nodes send what you want"
            if journey.stopped_from is not None and journey.on_template_change == "resume":
                then = "it resumes when the template is approved again"
            warnings.append(f"stopped by a change of template {journey.stopped_by}: {then}")
        return JourneyStatus(journey, counts, warnings)

    def _portfolio(self, wish: JourneyWish, known: Journey | None) -> PortfolioId:
        """Return whose a journey is: as said, as before, or the only one there is."""
        portfolios = self._registry.directory.portfolios
        said = wish.portfolio or (known.portfolio_id if known else "")
        if not said and len(portfolios) == 1:
            said = next(iter(portfolios))
        pointer = "/portfolio_id"
        if not said:
            raise InvalidJobError("name its portfolio", pointer=pointer, code="missing")
        if said not in portfolios:
            detail = f"there is no portfolio {said}; add it with penstock portfolio add"
            raise InvalidJobError(detail, pointer=pointer, code="unknown_portfolio")
        if known is not None and known.portfolio_id != said:
            detail = f"it belongs to portfolio {known.portfolio_id}, and that cannot change"
            remedy = "create another journey"
            raise InvalidJobError(detail, pointer=pointer, code="conflict", remedy=remedy)
        return PortfolioId(said)
