"""What a template's change does: its gate closes or opens, who uses it stops or comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from engine.agreeing import LOOKS_MAX, move
from engine.books import Books
from engine.campaigns import remaining
from engine.directory import Campaign, Registry, Template
from engine.messages import misfits, repeats_max
from engine.model import Category, NowMs, Priority, SourceState, TemplateStatus
from engine.ports import Catalog, TemplateSpec
from engine.template_journeys import JourneyStops, Moved, Touched
from engine.template_life import ENDED
from engine.template_ports import TemplateJobs

LIVE = frozenset({SourceState.RUNNING, SourceState.SCHEDULED, SourceState.PAUSED})
News = Callable[[Template | None], Template]  # what becomes of a template as it is now


class TemplateChanges:
    """Puts a changed template in force: gate, registry and campaigns, in the safe order."""

    def __init__(
        self,
        registry: Registry,
        catalog: Catalog,
        books: Books,
        jobs: TemplateJobs,
        *,
        now_ms: NowMs,
        moved: Moved | None = None,
    ) -> None:
        self._jobs = jobs
        self._journeys = JourneyStops(registry, catalog, jobs, now_ms=now_ms, moved=moved)
        self._registry = registry
        self._catalog = catalog
        self._books = books
        self._now_ms = now_ms
        self._moved = moved
        self.turn = asyncio.Lock()
        """Of the changes of this process: the first of two that say the same tells all it did."""

    async def change(
        self, key: str, news: News, *, is_edit: bool = False
    ) -> tuple[Template, list[Touched]]:
        """Put in force what `news` makes of a template; return it, and the sources it touched.

        `news` is asked again where another process changed the template meanwhile; what makes
        nothing new of it changes nothing. LedgerError when it is not sure: then do it again.

        Closing comes before it is written down and opening after its campaigns were looked at: no
        job leaves with words that nobody approved or that no longer fit. Whoever wrote it looks
        for the newest one in the end, and puts that in force: of several at once one is the last.
        """
        async with self.turn:
            before, template = await self._write(key, news)
            is_other = before is not None and before.is_read and _words(before) != _words(template)
            is_changed, lifts = is_edit or is_other, _may_lift(before, template)
            touched: list[Touched] = []
            for _ in range(LOOKS_MAX):
                touched += await self._obey(before, template, is_changed=is_changed, lifts=lifts)
                await self._registry.refresh()
                newest = self._registry.directory.templates.get(key, template)
                if newest == template:
                    break
                before = template = newest
                is_changed = lifts = False
            return template, touched

    async def _write(self, key: str, news: News) -> tuple[Template | None, Template]:
        """Write down what becomes of a template; return it with what it was before."""
        await self._registry.refresh()
        while True:
            before = self._registry.directory.templates.get(key)
            template = self._versioned(before, news(before))
            if template.status is not TemplateStatus.APPROVED:
                await self._tell_gate(template)
            stored = await self._registry.change(Template, key, _unless_moved(before, template))
            if stored == template:
                return before, template

    async def _obey(
        self, before: Template | None, template: Template, *, is_changed: bool, lifts: bool
    ) -> list[Touched]:
        """Have gate, campaigns and journeys obey a template that was written down."""
        is_open = template.status is TemplateStatus.APPROVED
        if not is_open:
            await self._tell_gate(template)
        touched: list[Touched] = []
        for campaign in self.users_of(template.key):
            current = await self._recategorise(campaign, template.category)
            did = await self._touch(current, template, is_changed=is_changed)
            touched += [did] if did is not None else []
        touched += await self._touch_journeys(template, before, is_changed=is_changed)
        if is_open:
            await self._tell_gate(template, lifts=lifts)
        elif template.status in ENDED:
            await self._end_jobs(template, touched)
        return touched

    def _versioned(self, before: Template | None, template: Template) -> Template:
        """Return a template with the version it has: jobs made for another are looked at again."""
        if before is None:
            return template
        version, at_ms = before.version, before.changed_at_ms
        if before.is_read and before.signature != template.signature:
            version, at_ms = version + 1, self._now_ms()
        return replace(template, version=version, changed_at_ms=at_ms)

    async def _touch_journeys(
        self, template: Template, before: Template | None, *, is_changed: bool
    ) -> list[Touched]:
        """Do with the journeys that use a template what its change wants.

        One that a person lets go on all the same is not stopped again by news that tell the same.
        """
        if template.status is TemplateStatus.APPROVED:
            touched = await self._journeys.come_back(template)
            return touched + (await self._journeys.obey_wishes(template) if is_changed else [])
        if template.status in ENDED:
            is_news = before is None or before.status is not template.status
            return await self._journeys.stop(template, is_for_good=True) if is_news else []
        return await self._journeys.stop(template, is_for_good=False) if is_changed else []

    async def _end_jobs(self, template: Template, touched: list[Touched]) -> None:
        """End what waits for a template that is no more, and note it with whose jobs they were."""
        portfolio = self._registry.directory.portfolio_of_waba(template.waba_id)
        if portfolio is None:
            return
        known = {each.source: each for each in touched}
        for source, jobs in (await self._jobs.end_template(portfolio, template.key)).items():
            if source not in known:
                known[source] = Touched(source, "ended")
                touched.append(known[source])
            known[source].jobs += jobs

    def users_of(self, key: str) -> list[Campaign]:
        """Return the campaigns that use a template and were not cancelled."""
        campaigns = self._registry.directory.campaigns.values()
        return [
            each
            for each in campaigns
            if key in each.templates and each.state is not SourceState.CANCELLED
        ]

    async def _touch(
        self, campaign: Campaign, template: Template, *, is_changed: bool
    ) -> Touched | None:
        """Do with one campaign what the template's change wants; None when it is untouched."""
        is_live = campaign.state in LIVE
        if template.status is TemplateStatus.APPROVED:
            if campaign.stopped_by:
                return await self._come_back(campaign)
            return await self._look_again(campaign, template, is_changed=is_changed)
        if template.status in ENDED:
            if (is_live or campaign.stopped_by) and not await self._is_over(campaign):
                return await self._cancel(campaign, template.key)
        elif is_live and is_changed and not await self._is_over(campaign):
            return await self._stop(campaign, template.key, lambda _newest: True)
        return None

    async def _look_again(
        self, campaign: Campaign, template: Template, *, is_changed: bool
    ) -> Touched | None:
        """Stop a campaign whose message no longer fits, or that wants to stop at any change."""

        def wants_stop(newest: Campaign) -> bool:
            wants = is_changed and newest.on_template_change == "stay_stopped"
            return wants or bool(misfits(self._registry.directory, newest))

        errors = misfits(self._registry.directory, campaign)
        is_live = campaign.state in LIVE
        if is_live and wants_stop(campaign) and not await self._is_over(campaign):
            stopped = await self._stop(campaign, template.key, wants_stop)
            return None if stopped is None else replace(stopped, errors=errors)
        return Touched(campaign.source, "fits", errors) if is_changed else None

    async def _come_back(self, campaign: Campaign) -> Touched:
        """Resume a campaign that a template's change stopped, where it wants that and fits."""

        def back(newest: Campaign) -> Campaign:
            if newest.state is not SourceState.STOPPED or not newest.stopped_by:
                return newest
            if self._stays_stopped(newest):
                return newest
            state = newest.stopped_from or SourceState.RUNNING
            if state is SourceState.SCHEDULED and newest.start_at_ms <= self._now_ms():
                state = SourceState.RUNNING
            return replace(newest, state=state, stopped_by="", stopped_from=None)

        if back(campaign) == campaign:
            errors = misfits(self._registry.directory, campaign)
            return Touched(campaign.source, "stays_stopped", errors)
        await self._move(campaign, back)
        return Touched(campaign.source, "resumed")

    def _stays_stopped(self, campaign: Campaign) -> bool:
        directory = self._registry.directory
        waits = any(
            directory.templates[key].status is not TemplateStatus.APPROVED
            for key in campaign.templates
            if key in directory.templates
        )
        wants = campaign.on_template_change == "stay_stopped"
        return waits or wants or bool(misfits(directory, campaign))

    async def _stop(
        self, campaign: Campaign, key: str, wants_stop: Callable[[Campaign], bool]
    ) -> Touched | None:
        def stopped(newest: Campaign) -> Campaign:
            if newest.state not in LIVE or not wants_stop(newest):
                return newest
            noted = replace(newest, stopped_by=key, stopped_from=newest.state)
            return replace(noted, state=SourceState.STOPPED)

        stands = await self._move(campaign, stopped)
        is_done = stands.state is SourceState.STOPPED
        return Touched(campaign.source, "stopped") if is_done else None

    async def _cancel(self, campaign: Campaign, key: str) -> Touched:
        def cancelled(newest: Campaign) -> Campaign:
            if newest.state is SourceState.CANCELLED:
                return newest
            return replace(newest, state=SourceState.CANCELLED, stopped_by=key)

        await self._move(campaign, cancelled)
        return Touched(campaign.source, "cancelled")

    async def _move(self, campaign: Campaign, moved: Callable[[Campaign], Campaign]) -> Campaign:
        stands = await move(self._registry, self._catalog, campaign, moved)
        if self._moved is not None:
            await self._moved(stands)
        return stands

    async def _recategorise(self, campaign: Campaign, category: Category) -> Campaign:
        """Return a campaign whose coming rows have the priority of its template's category.

        A priority the caller chose stays. Copies after a doubt only become fewer: nobody asked
        for more of them.
        """

        def judged(newest: Campaign | None) -> Campaign | None:
            if newest is None or newest.category is category:
                return newest
            priority = newest.priority
            if priority is Priority[newest.category.name]:
                priority = Priority[category.name]
            repeats = min(newest.repeats_max, repeats_max(category, ""))
            return replace(newest, category=category, priority=priority, repeats_max=repeats)

        if category is campaign.category:
            return campaign
        return await self._registry.change(Campaign, campaign.id, judged) or campaign

    async def _is_over(self, campaign: Campaign) -> bool:
        """Return whether a campaign has jobs and all of them ended: nothing is left to stop."""
        counts = await self._books.counts(campaign.portfolio_id, campaign.source)
        return bool(counts.enqueued) and not remaining(counts)

    async def _tell_gate(self, template: Template, *, lifts: bool = True) -> None:
        portfolio = self._registry.directory.portfolio_of_waba(template.waba_id)
        if portfolio is not None:
            spec = spec_of(template)
            spec = replace(spec, lifts=spec.lifts and lifts)
            await self._catalog.put_template(portfolio, template.key, spec)


def spec_of(template: Template) -> TemplateSpec:
    """Return what the ledger must know of a template.

    While Meta is asked about it, no other news of it open what answers to messages closed.
    """
    lifts = not template.stale_since_ms
    return TemplateSpec(template.status, template.category, template.version, lifts)


def _unless_moved(before: Template | None, template: Template) -> News:
    """Return what becomes of a template where it still is what it was."""

    def changed(newest: Template | None) -> Template:
        return template if newest is None or newest == before else newest

    return changed


def _may_lift(before: Template | None, template: Template) -> bool:
    """Return whether a put may end what answers closed: it tells anew that it is approved.

    News of something else may come between such an answer and its question to Meta. The same again
    is a put whose end was lost.
    """
    if before is None or before == template:
        return True
    return any(
        getattr(before, name) != getattr(template, name)
        for name in ("status", "status_at_ms", "read_at_ms", "stale_since_ms")
    )


def _words(template: Template) -> tuple[object, str]:
    return template.components, template.parameter_format
