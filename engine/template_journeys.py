"""What a template's change does to journeys: those that use it stop, and come back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from engine.agreeing import move
from engine.directory import Campaign, Journey, Registry, Template
from engine.errors import InvalidJobError
from engine.model import NowMs, SourceState
from engine.ports import Catalog
from engine.quota import DAY_MS
from engine.template_ports import TemplateJobs

USED_MS: Final = 7 * DAY_MS  # a journey uses what it sent in this time, or what of it still waits
RESUME, STAY_STOPPED = "resume", "stay_stopped"
Moved = Callable[[Campaign | Journey], Awaitable[None]]  # told at once, so that all hear it


@dataclass(slots=True)
class Touched:
    """A source that uses a changed template: what was done with it, and what no longer fits.

    A direct caller's jobs, and those of a journey that nobody described, wait behind the template's
    gate, or ended with it: there is no source to stop.
    """

    source: str  # `campaign:ID`, `journey:ID` or `direct:ID`
    did: str  # `stopped`, `resumed`, `cancelled`, `stays_stopped`, `fits`, `waits` or `ended`
    errors: list[InvalidJobError] = field(default_factory=list[InvalidJobError])
    jobs: int = 0  # that waited, and ended with the template


class JourneyStops:
    """Stops the journeys that use a template, and lets them go on; each once for each change."""

    def __init__(
        self,
        registry: Registry,
        catalog: Catalog,
        jobs: TemplateJobs,
        *,
        now_ms: NowMs,
        moved: Moved | None = None,
    ) -> None:
        self._registry = registry
        self._catalog = catalog
        self._jobs = jobs
        self._now_ms = now_ms
        self._moved = moved

    async def stop(self, template: Template, *, is_for_good: bool) -> list[Touched]:
        """Stop the journeys that use a template; those stopped for good wait for a person."""
        portfolio = self._registry.directory.portfolio_of_waba(template.waba_id)
        if portfolio is None:
            return []
        touched: list[Touched] = []
        since_ms = self._now_ms() - USED_MS
        for source in await self._jobs.users(portfolio, template.key, since_ms):
            journey = self._journey(source)
            if journey is not None and journey.state is not SourceState.STOPPED:
                await self._stop(journey, template.key, is_for_good=is_for_good)
                touched.append(Touched(source, "stopped"))
            elif journey is not None and is_for_good and journey.stopped_by == template.key:
                await self._stop(journey, template.key, is_for_good=is_for_good)
                touched.append(Touched(source, "stays_stopped"))
            elif journey is None and not is_for_good and not source.startswith("campaign:"):
                touched.append(Touched(source, "waits"))
        return touched

    async def obey_wishes(self, template: Template) -> list[Touched]:
        """Stop journeys that want to stop at any change, where the template stayed approved."""
        touched: list[Touched] = []
        portfolio = self._registry.directory.portfolio_of_waba(template.waba_id)
        journeys = self._registry.directory.journeys.values()
        if portfolio is None or not any(each.on_template_change != RESUME for each in journeys):
            return touched
        since_ms = self._now_ms() - USED_MS
        for source in await self._jobs.users(portfolio, template.key, since_ms):
            journey = self._journey(source)
            if journey is None or journey.on_template_change == RESUME:
                continue
            if journey.state is not SourceState.STOPPED:
                await self._stop(journey, template.key, is_for_good=False)
                touched.append(Touched(source, "stopped"))
        return touched

    async def come_back(self, template: Template) -> list[Touched]:
        """Resume the journeys that a template's change stopped, where they want that.

        What its queued jobs fill in is looked at job by job, when each is about to be written.
        """

        def freed(newest: Journey) -> Journey:
            if newest.stopped_by != template.key or newest.stopped_from is None:
                return newest  # a person has moved it
            return replace(newest, state=newest.stopped_from, stopped_by="", stopped_from=None)

        touched: list[Touched] = []
        for journey in list(self._registry.directory.journeys.values()):
            if journey.stopped_by != template.key or journey.stopped_from is None:
                continue
            if journey.on_template_change == STAY_STOPPED:
                touched.append(Touched(journey.source, "stays_stopped"))
                continue
            await self._move(journey, freed)
            touched.append(Touched(journey.source, "resumed"))
        return touched

    def _journey(self, source: str) -> Journey | None:
        kind, _, name = source.partition(":")
        return self._registry.directory.journeys.get(name) if kind == "journey" else None

    async def _stop(self, journey: Journey, key: str, *, is_for_good: bool) -> None:
        def stopped(newest: Journey) -> Journey:
            if newest.state is not SourceState.STOPPED:
                came_from = None if is_for_good else newest.state
                noted = replace(newest, stopped_by=key, stopped_from=came_from)
                return replace(noted, state=SourceState.STOPPED)
            is_ours = newest.stopped_by == key  # else a person has stopped it, or another template
            return replace(newest, stopped_from=None) if is_for_good and is_ours else newest

        await self._move(journey, stopped)

    async def _move(self, journey: Journey, moved: Callable[[Journey], Journey]) -> None:
        stands = await move(self._registry, self._catalog, journey, moved)
        if self._moved is not None:
            await self._moved(stands)
