"""Has the ledger know the quiet hours of each source, some days ahead, and tells what they hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from engine.directory import Campaign, Journey, Registry
from engine.errors import InvalidJobError
from engine.model import Category, Lane, NowMs, SourceState
from engine.moments import moment_text
from engine.ports import FOREVER_MS
from engine.quiet import (
    NEVER_QUIET,
    UNKNOWN_ZONE,
    Clocks,
    QuietHours,
    QuietLedger,
    Spans,
    ZoneOf,
    ZoneStanding,
    after_open_ms,
    is_clock,
    open_spans,
    shown_zone,
    unknown_places,
)

TELL_EVERY_MS: Final = 6 * 3_600_000  # calendars reach eight days: many tellings may be missed
LOOK_EVERY_MS: Final = 60_000
LOOKS_AGAIN, LOOK_AGAIN_MS = 2, 10_000  # after the ledger lost its tail: as long as it recovers
POINTER: Final = "/quiet_hours"

Source = Campaign | Journey


@dataclass(slots=True)
class _Told:
    """What this process told the ledger of a source."""

    hours: QuietHours
    at_ms: int
    zones: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True)
class Held:
    """What quiet hours hold of a source now."""

    jobs: int = 0
    opens_at_ms: int | None = None  # of the zone that opens first; None where nobody knows
    zone: str = ""  # that one
    zones: int = 0  # how many are shut and have jobs
    is_idle: bool = False  # they never hold a message of its category

    def warnings(self, hours: QuietHours | None) -> list[str]:
        """Return what somebody should know of it."""
        if hours is not None and self.is_idle:
            return ["its quiet hours hold nothing: nobody waits for a code or a reply at night"]
        return [self.sentence] if self.jobs else []

    @property
    def sentence(self) -> str:
        """Return it for people; empty when nothing is held."""
        if not self.jobs:
            return ""
        opens = "when it opens is not known yet"
        if self.opens_at_ms is not None:
            opens = f"opens at {moment_text(self.opens_at_ms)}"
        first = f"{shown_zone(self.zone) or 'the time zone of its quiet hours'} {opens}"
        if self.zones > 1:
            first = f"the first of {self.zones} time zones, {first}"
        return f"{self.jobs} jobs wait until quiet hours are over: {first}"


class QuietKeeper:
    """Tells the ledger when each zone of a source is open, before jobs stand there and again.

    The ledger needs nobody at the moment of an opening or a closing. What it was not told is shut.
    """

    def __init__(
        self, registry: Registry, ledger: QuietLedger, clocks: Clocks, *, now_ms: NowMs
    ) -> None:
        self._registry = registry
        self._ledger = ledger
        self._clocks = clocks
        self._now_ms = now_ms
        self._told: dict[str, _Told] = {}
        self._look_at_ms = 0
        self._looks_again = 0

    def behind(self, registry: Registry, ledger: QuietLedger) -> QuietKeeper:
        """Return one for a caller who sees less; they remember together what the ledger knows."""
        seen = QuietKeeper(registry, ledger, self._clocks, now_ms=self._now_ms)
        seen._told = self._told
        return seen

    # -- at the door ----------------------------------------------------------------------------

    def objections(self, hours: QuietHours | None) -> list[InvalidJobError]:
        """Return everything that is wrong with quiet hours."""
        if hours is None:
            return []
        errors = [
            _error(f"/{name}", "not_a_time", "is no time of day; write it as 21:30")
            for name, text in (("from", hours.since), ("to", hours.until))
            if not is_clock(text)
        ]
        if not errors and hours.since == hours.until:
            detail = "begins when `from` does: that is all day; pause the source instead"
            errors.append(_error("/to", "all_day", detail))
        if unknown_places(hours.time_zone, self._clocks):
            detail = "is no IANA time zone; write one like Europe/Rome"
            errors.append(_error("/time_zone", "unknown_time_zone", detail))
        if hours.by_recipient and not self._clocks.knows_numbers:
            detail = "needs the package phonenumbers: pip install 'penstock[numbers]'"
            errors.append(_error("/recipient", "not_installed", detail))
        return errors

    def zone_of(self, source: str, identity: str, category: Category) -> str:
        """Return the zone of the lane in which a job of this source waits for this person."""
        known = self._source(source)
        hours = known.quiet if known else None
        if hours is None or not hours.by_recipient or category in NEVER_QUIET:
            return UNKNOWN_ZONE
        return self._clocks.zone_of(identity)

    def sorter(self, campaign: Campaign) -> ZoneOf | None:
        """Return what sorts a campaign's rows by zone; None where they are not sorted."""
        hours = campaign.quiet
        is_sorted = hours is not None and hours.by_recipient
        return self._clocks.zone_of if is_sorted and campaign.category not in NEVER_QUIET else None

    async def know_lanes(self, lanes: Sequence[Lane]) -> None:
        """Have the ledger know the zones of lanes that jobs are queued in; see know."""
        zones: dict[str, set[str]] = {}
        for lane in lanes:
            zones.setdefault(lane.source, set()).add(lane.zone)
        for name, its in zones.items():
            source = self._source(name)
            if source is not None:
                await self.know(source, its)

    async def know(self, source: Source, zones: Collection[str]) -> None:
        """Have the ledger know these zones of a source; nothing is asked when it does.

        Where its hours are others by now than this process saw, those are told, all of them: what
        was told last would hold else, and hours that were taken away would hold for ever.
        LedgerError: rows must not be queued there yet; ask again.
        """
        hours = source.quiet
        if hours is None:
            return
        told = self._told.get(source.source)
        now_ms = self._now_ms()
        if told is None or told.hours != hours or now_ms - told.at_ms >= TELL_EVERY_MS:
            told = _Told(hours, now_ms)
        missing = sorted({*zones, UNKNOWN_ZONE} - told.zones)
        if missing:
            open_ = {zone: self._spans(hours, zone) for zone in missing}
            await self._ledger.put_quiet(source.portfolio_id, source.source, open_)
            told.zones |= set(missing)
            self._told[source.source] = told
            await self._registry.refresh()
            now = self._source(source.source)
            if now is not None and now.quiet != hours:
                await self.obey(now)

    # -- later ----------------------------------------------------------------------------------

    async def obey(self, source: Source) -> None:
        """Set what holds for all zones of a source now; LedgerError: it may not be in force."""
        current: Source | None = source
        while current is not None:
            hours = current.quiet
            if hours is None:
                await self._ledger.end_quiet(current.portfolio_id, current.source)
                self._told.pop(current.source, None)
            else:
                standings = await self._ledger.zones(current.portfolio_id, current.source)
                zones = sorted({UNKNOWN_ZONE, *(each.zone for each in standings)})
                open_ = {zone: self._spans(hours, zone) for zone in zones}
                await self._ledger.put_quiet(current.portfolio_id, current.source, open_)
                self._told[current.source] = _Told(hours, self._now_ms(), set(zones))
            await self._registry.refresh()
            now = self._source(current.source)
            current = now if now is not None and now.quiet != hours else None

    def forget(self) -> None:
        """Tell all of it again with the next looks: the ledger may have lost what it was told.

        More than once: lanes that were lost too come back with what other processes tell it.
        """
        self._told.clear()
        self._look_at_ms, self._looks_again = 0, LOOKS_AGAIN

    async def look(self) -> None:
        """Tell again what was told long ago, or not by this process; cheap when nothing is due."""
        now_ms = self._now_ms()
        if now_ms < self._look_at_ms:
            return
        directory = self._registry.directory
        sources: list[Source] = [*directory.campaigns.values(), *directory.journeys.values()]
        for name in self._told.keys() - {each.source for each in sources}:
            del self._told[name]
        for source in sources:
            told = self._told.get(source.source)
            is_none = source.quiet is None and told is None
            if is_none or source.state is SourceState.CANCELLED:
                continue
            if told is None or now_ms - told.at_ms >= TELL_EVERY_MS or told.hours != source.quiet:
                await self.obey(source)
        self._look_at_ms = now_ms + LOOK_EVERY_MS
        if self._looks_again:
            self._looks_again -= 1
            self._told.clear()
            self._look_at_ms = now_ms + LOOK_AGAIN_MS

    # -- for people -----------------------------------------------------------------------------

    async def held(self, source: Source, *, if_running: bool = False) -> Held:
        """Return what quiet hours hold of a source now, or what they would hold if it ran."""
        if source.quiet is None:
            return Held()
        standings = await self._ledger.zones(source.portfolio_id, source.source)
        shut = [
            replace(each, held=each.jobs) if if_running else each
            for each in standings
            if each.opens_at_ms is not None and (each.jobs if if_running else each.held)
        ]
        if not shut:
            return Held()
        first = min(shut, key=_opens)
        opens_ms = first.opens_at_ms if _opens(first) < FOREVER_MS else None
        zone = first.zone or source.quiet.time_zone
        return Held(sum(each.held for each in shut), opens_ms, zone, len(shut))

    async def later_ms(self, source: Source, eta_ms: int | None, per_s: float) -> int | None:
        """Return when the last job leaves, quiet hours considered; None when that is not known.

        `eta_ms` is when it would without them; each zone has the whole rate while it is open.
        """
        hours = source.quiet
        if hours is None or eta_ms is None or not per_s:
            return eta_ms
        now_ms = self._now_ms()
        latest_ms = eta_ms
        for each in await self._ledger.zones(source.portfolio_id, source.source):
            if each.jobs:
                spans = self._spans(hours, each.zone)
                leaves_ms = after_open_ms(spans, now_ms, int(each.jobs * 1000 / per_s))
                opens_ms = after_open_ms(spans, eta_ms, 0)
                if leaves_ms is None or opens_ms is None:
                    return None
                latest_ms = max(latest_ms, leaves_ms, opens_ms)
        return latest_ms

    def _spans(self, hours: QuietHours, zone: str) -> Spans:
        return open_spans(hours, zone, self._clocks, self._now_ms())

    def _source(self, name: str) -> Source | None:
        """Return the campaign or journey that the ledger knows by this name."""
        kind, _, its_id = name.partition(":")
        if kind == "campaign":
            return self._registry.directory.campaigns.get(its_id)
        return self._registry.directory.journeys.get(its_id) if kind == "journey" else None


def quiet_objections(hours: QuietHours | None, keeper: QuietKeeper | None) -> list[InvalidJobError]:
    """Return everything that is wrong with quiet hours; a house without a keeper has none."""
    if hours is None or keeper is not None:
        return keeper.objections(hours) if keeper else []
    detail = "nobody here keeps quiet hours; leave them out"
    return [InvalidJobError(detail, pointer=POINTER, code="not_kept")]


def unsorted_rows(
    before: QuietHours | None, after: QuietHours | None, rows: int
) -> list[InvalidJobError]:
    """Return why rows that were not sorted by zone cannot be held by their zones now."""
    was_sorted = before is not None and before.by_recipient
    if not rows or was_sorted or after is None or not after.by_recipient:
        return []
    detail = f"{rows} jobs were queued without it; name the time zone that holds those, too"
    return [_error("/time_zone", "not_sorted", detail)]


def _opens(standing: ZoneStanding) -> int:
    return standing.opens_at_ms or 0


def _error(place: str, code: str, detail: str) -> InvalidJobError:
    return InvalidJobError(detail, pointer=POINTER + place, code=code)
