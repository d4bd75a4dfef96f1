"""The ledger knows quiet hours before jobs stand behind them, and again in time."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.memory.registry import MemoryRegistry
from engine.directory import Campaign, Journey
from engine.errors import LedgerAwayError
from engine.model import Category, Lane, PortfolioId, Priority, SenderId, SourceState
from engine.ports import FOREVER_MS
from engine.quiet import QuietHours, Spans, ZoneStanding
from engine.quiet_keeper import TELL_EVERY_MS, QuietKeeper, unsorted_rows

NOW_MS = 1_780_000_000_000
PORTFOLIO = PortfolioId("p1")
NIGHT = QuietHours("21:00", "08:00", "UTC", by_recipient=True)
ROME = replace(NIGHT, time_zone="Europe/Rome", by_recipient=False)


class Clocks:
    """Numbers begin with the first letters of their zone."""

    knows_numbers = True

    def find(self, name: str) -> ZoneInfo | None:
        known = ("UTC", "Europe/Rome", "Asia/Tokyo")
        return ZoneInfo(name) if name in known else None

    def zone_of(self, identity: str) -> str:
        return {"39": "Europe/Rome", "81": "Asia/Tokyo"}.get(identity[:2], "")


class Told:
    """A ledger that notes what it is told."""

    def __init__(self) -> None:
        self.puts: list[tuple[str, list[str]]] = []
        self.ends: list[str] = []
        self.standings: list[ZoneStanding] = []
        self.error: Exception | None = None
        self.meanwhile: Any = None  # what another process does while this one is told

    async def put_quiet(self, portfolio: PortfolioId, source: str, open_: dict[str, Spans]) -> None:
        assert portfolio == PORTFOLIO
        if self.error is not None:
            raise self.error
        assert all(open_.values()), "a zone without any opening is shut for ever"
        self.puts.append((source, list(open_)))
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile

    async def end_quiet(self, portfolio: PortfolioId, source: str) -> None:
        assert portfolio == PORTFOLIO
        self.ends.append(source)

    async def zones(self, portfolio: PortfolioId, source: str) -> list[ZoneStanding]:
        assert (portfolio, source) == (PORTFOLIO, "journey:j")
        return self.standings


class Desk:
    """A keeper with a clock that stands."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.ledger, self.registry = Told(), MemoryRegistry()
        self.keeper = QuietKeeper(self.registry, self.ledger, Clocks(), now_ms=lambda: self.now_ms)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def a_journey(quiet: QuietHours | None = NIGHT) -> Journey:
    return Journey("j", "j", PORTFOLIO, quiet=quiet)


def a_campaign(**changes: Any) -> Campaign:  # noqa: ANN401 (as Campaign)
    named: dict[str, Any] = {
        "senders": (SenderId("1"),),
        "message": {},
        "fields": (),
        "templates": ("w/t/en",),
        "category": Category.MARKETING,
        "priority": Priority.MARKETING,
        "content": 1,
        "quiet": NIGHT,
    }
    return Campaign("c", "c", PORTFOLIO, **(named | changes))


async def test_a_zone_is_told_once_and_what_nobody_asked_for_goes_along(desk: Desk) -> None:
    await desk.keeper.know(a_journey(), {"Asia/Tokyo"})
    await desk.keeper.know(a_journey(), {"Asia/Tokyo", ""})
    await desk.keeper.know(a_journey(), {"Asia/Tokyo", "Europe/Rome"})
    assert desk.ledger.puts == [("journey:j", ["", "Asia/Tokyo"]), ("journey:j", ["Europe/Rome"])]


async def test_other_hours_or_much_time_are_told_anew(desk: Desk) -> None:
    await desk.keeper.know(a_journey(), {""})
    await desk.keeper.know(a_journey(ROME), {""})
    desk.now_ms += TELL_EVERY_MS
    await desk.keeper.know(a_journey(ROME), {""})
    assert desk.ledger.puts == [("journey:j", [""])] * 3


async def test_what_could_not_be_told_is_told_with_the_next_rows(desk: Desk) -> None:
    desk.ledger.error = LedgerAwayError("away")
    with pytest.raises(LedgerAwayError):
        await desk.keeper.know(a_journey(), {""})
    desk.ledger.error = None
    await desk.keeper.know(a_journey(), {""})
    assert desk.ledger.puts == [("journey:j", [""])]


async def test_a_source_without_quiet_hours_asks_nothing(desk: Desk) -> None:
    await desk.registry.put(a_journey(None))
    await desk.keeper.know(a_journey(None), {"Asia/Tokyo"})
    await desk.keeper.look()
    assert (desk.ledger.puts, desk.ledger.ends) == ([], [])
    assert desk.keeper.zone_of("journey:j", "8190", Category.MARKETING) == ""
    assert desk.keeper.zone_of("direct:api", "8190", Category.MARKETING) == ""


async def test_only_who_is_held_by_recipient_is_sorted(desk: Desk) -> None:
    await desk.registry.put(a_journey())
    zone_of = desk.keeper.zone_of
    assert zone_of("journey:j", "8190", Category.UTILITY) == "Asia/Tokyo"
    assert zone_of("journey:j", "8190", Category.AUTHENTICATION) == ""
    assert zone_of("journey:j", "8190", Category.SERVICE) == ""
    await desk.registry.put(a_journey(ROME))
    assert zone_of("journey:j", "8190", Category.UTILITY) == ""
    sorter = desk.keeper.sorter(a_campaign())
    assert sorter is not None
    assert sorter("3933") == "Europe/Rome"
    assert desk.keeper.sorter(a_campaign(quiet=ROME)) is None
    assert desk.keeper.sorter(a_campaign(category=Category.AUTHENTICATION)) is None


async def test_lanes_of_several_sources_are_told_together(desk: Desk) -> None:
    await desk.registry.put(a_journey())
    await desk.registry.put(a_campaign())
    names = [("journey:j", "Asia/Tokyo"), ("campaign:c", ""), ("direct:api", "")]
    lanes = [Lane(name, SenderId("1"), "", Priority.MARKETING, zone) for name, zone in names]
    await desk.keeper.know_lanes(lanes)
    assert desk.ledger.puts == [("journey:j", ["", "Asia/Tokyo"]), ("campaign:c", [""])]


async def test_a_process_that_begins_tells_all_and_then_only_in_time(desk: Desk) -> None:
    await desk.registry.put(a_journey())
    await desk.registry.put(replace(a_campaign(), state=SourceState.CANCELLED))
    desk.ledger.standings = [ZoneStanding("Asia/Tokyo")]
    for wait_ms in (0, 1_000, 60_000, TELL_EVERY_MS, 1_000):
        desk.now_ms += wait_ms
        await desk.keeper.look()
    assert desk.ledger.puts == [("journey:j", ["", "Asia/Tokyo"])] * 2


async def test_a_ledger_that_lost_its_tail_is_told_more_than_once(desk: Desk) -> None:
    await desk.registry.put(a_journey())
    await desk.keeper.look()
    desk.keeper.forget()
    for _ in range(60):
        await desk.keeper.look()
        desk.now_ms += 1_000
    assert len(desk.ledger.puts) == 4


async def test_a_source_that_is_no_more_is_forgotten(desk: Desk) -> None:
    await desk.registry.put(a_journey())
    await desk.keeper.look()
    await desk.registry.change(Journey, "j", lambda _known: None)
    desk.now_ms += 60_000
    await desk.keeper.look()
    assert desk.keeper._told == {}


async def test_who_sees_less_remembers_with_the_house(desk: Desk) -> None:
    await desk.keeper.behind(desk.registry, desk.ledger).know(a_journey(), {""})
    await desk.keeper.know(a_journey(), {""})
    assert len(desk.ledger.puts) == 1


async def test_hours_that_change_while_they_are_told_are_told_again(desk: Desk) -> None:
    await desk.registry.put(a_journey())
    desk.ledger.meanwhile = desk.registry.put(a_journey(None))
    await desk.keeper.obey(a_journey())
    assert (desk.ledger.puts, desk.ledger.ends) == ([("journey:j", [""])], ["journey:j"])


@pytest.mark.parametrize(
    ("now", "puts", "ends"),
    [
        (a_journey(None), [["", "Asia/Tokyo"]], ["journey:j"]),
        (a_journey(ROME), [["", "Asia/Tokyo"], [""]], []),
    ],
    ids=["taken away", "others"],
)
async def test_hours_that_change_while_a_zone_is_told_to_it_are_not_those_before(
    desk: Desk, now: Journey, puts: list[list[str]], ends: list[str]
) -> None:
    await desk.registry.put(a_journey())
    desk.ledger.meanwhile = desk.registry.put(now)
    await desk.keeper.know(a_journey(), {"Asia/Tokyo"})
    assert [zones for _, zones in desk.ledger.puts] == puts
    assert desk.ledger.ends == ends
    told = desk.keeper._told.get("journey:j")
    assert (told.hours if told else None) == now.quiet


async def test_hours_that_were_taken_away_while_a_process_told_them_end_with_its_look(
    desk: Desk,
) -> None:
    await desk.registry.put(a_journey())
    await desk.keeper.look()
    await desk.registry.put(a_journey(None))
    desk.now_ms += 60_000
    await desk.keeper.look()
    assert (desk.ledger.ends, desk.keeper._told) == (["journey:j"], {})


async def test_what_is_held_is_told_with_the_first_opening(desk: Desk) -> None:
    assert (await desk.keeper.held(a_journey())).sentence == ""
    desk.ledger.standings = [
        ZoneStanding("Asia/Tokyo", 5, 5, NOW_MS + 9_000),
        ZoneStanding("Europe/Rome", 3, 3, NOW_MS + 4_000),
        ZoneStanding("", 7, 0, None),
    ]
    held = await desk.keeper.held(a_journey())
    assert (held.jobs, held.zone, held.opens_at_ms) == (8, "Europe/Rome", NOW_MS + 4_000)
    assert "8 jobs wait until quiet hours are over: the first of 2 time zones" in held.sentence
    desk.ledger.standings = [ZoneStanding("", 2, 2, FOREVER_MS)]
    held = await desk.keeper.held(a_journey())
    assert (held.opens_at_ms, held.zone) == (None, "UTC")
    assert "not known yet" in held.sentence


async def test_the_end_is_foretold_by_the_zone_that_opens_last(desk: Desk) -> None:
    # It is 20:26:40 UTC. Tokyo opens at 23:00 UTC, Rome at 06:00.
    desk.ledger.standings = [ZoneStanding("Asia/Tokyo", 10, 10, 1), ZoneStanding("", 5)]
    eta_ms = await desk.keeper.later_ms(a_journey(), NOW_MS + 1_000, 10)
    assert eta_ms == NOW_MS + 9_200_000 + 1_000
    desk.ledger.standings.append(ZoneStanding("Europe/Rome", 10, 10, 1))
    eta_ms = await desk.keeper.later_ms(a_journey(), NOW_MS + 1_000, 1)
    assert eta_ms == NOW_MS + 34_400_000 + 10_000
    assert await desk.keeper.later_ms(a_journey(None), NOW_MS + 5, 10) == NOW_MS + 5
    desk.ledger.standings = [ZoneStanding("Europe/Rome", 10**9, 0, None)]
    assert await desk.keeper.later_ms(a_journey(), NOW_MS, 1) is None


def test_rows_that_were_not_sorted_cannot_be_held_by_zones_they_do_not_have() -> None:
    assert unsorted_rows(None, NIGHT, 3)[0].code == "not_sorted"
    assert unsorted_rows(ROME, NIGHT, 3)[0].pointer == "/quiet_hours/time_zone"
    assert unsorted_rows(NIGHT, NIGHT, 3) == unsorted_rows(None, NIGHT, 0) == []
    assert unsorted_rows(None, ROME, 3) == unsorted_rows(None, None, 3) == []


async def test_without_what_knows_numbers_nobody_is_held_by_recipient(desk: Desk) -> None:
    clocks = Clocks()
    clocks.knows_numbers = False
    keeper = QuietKeeper(desk.registry, desk.ledger, clocks, now_ms=lambda: NOW_MS)
    assert [each.code for each in keeper.objections(NIGHT)] == ["not_installed"]
    assert keeper.objections(ROME) == keeper.objections(None) == []
