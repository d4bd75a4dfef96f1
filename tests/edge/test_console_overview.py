"""The picture: what the ledger and the directory say, each thing once, and no recipient."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from adapters.console.overview import (
    CURVE_STEPS,
    GOING_MAX,
    READ_AGAIN,
    SENDERS_MAX,
    Overviews,
    Sources,
)
from adapters.console.words import MEANINGS
from adapters.memory.ledger import MemoryLedger
from engine.books import Counts, Quota
from engine.campaigns import CampaignStatus
from engine.directory import Campaign, Directory, Portfolio, Sender
from engine.errors import LedgerAwayError, UnknownNameError
from engine.facts import Fact, Source, of_account, of_sender
from engine.model import (
    Category,
    Gate,
    JobState,
    Lane,
    PortfolioId,
    Priority,
    SenderId,
    SourceState,
    WabaId,
)
from engine.ports import FOREVER_MS, Ask, Batch
from engine.pulses import Pulse
from engine.senders import BAN, PAUSE, QUALITY, STATUS
from engine.terms import Terms
from tests.builders import a_portfolio, a_row, a_sender, a_source, a_template

NOW_MS = 1_780_000_000_000
PORTFOLIO, WABA = PortfolioId("acme"), WabaId("W")
SHOP, NEWS = SenderId("1"), SenderId("2")
SPAN_MS = 60_000


class Stage:
    """A deployment of one portfolio and two numbers, on the memory ledger."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.directory = Directory()
        self.directory.portfolios["acme"] = Portfolio(PORTFOLIO, 3, number=1)
        for sender, alias in ((SHOP, "shop"), (NEWS, "")):
            self.directory.senders[sender] = Sender(
                sender, PORTFOLIO, WABA, "+1 555 0100", alias=alias
            )
        self.ledger = MemoryLedger(Terms(window_ms=SPAN_MS, guard_ms=0), lambda: self.now_ms)
        self.pulses: list[Pulse] = []
        self.is_away = False
        self.asked: list[str] = []
        self.ended: set[str] = set()
        self.freed = [0] * (CURVE_STEPS + 1)
        self.overviews = Overviews(
            Sources(
                directory=self.directory,
                books=self.ledger,
                status_of=self.status_of,
                pulses=self,
                frees=self,
                count_workers=self.count,
                title_of=lambda code: f"title of {code}",
                now_ms=lambda: self.now_ms,
                span_ms=SPAN_MS,
                window_ms=SPAN_MS,
            )
        )

    async def newest(self) -> Sequence[Pulse]:
        """Be the pulses."""
        return self.pulses

    async def freed_by(
        self, portfolio: PortfolioId, scope: str, moments_ms: Sequence[int]
    ) -> list[int]:
        """Be the window's scores."""
        del portfolio, scope, moments_ms
        return self.freed

    async def count(self) -> int:
        """Be the attendance, which is asked first."""
        if self.is_away:
            raise LedgerAwayError("away")
        return 2

    async def status_of(self, name: str) -> CampaignStatus:
        """Be the books of campaigns."""
        self.asked.append(name)
        campaign = self.directory.campaigns[name]
        if name == "unborn":
            raise UnknownNameError("no source")
        state = "completed" if name in self.ended else campaign.state.value
        return CampaignStatus(campaign, state, Counts(7, {JobState.ACCEPTED: 7}, {}, {}), None)

    def add_campaign(self, name: str, created_at_ms: int = 0) -> None:
        """Add a campaign."""
        self.directory.campaigns[name] = Campaign(
            *(name, name, PORTFOLIO, (SHOP,), {}, (), (), Category.MARKETING, Priority.MARKETING),
            content=1,
            state=SourceState.RUNNING,
            created_at_ms=created_at_ms,
        )

    def tell(self, name: str, value: str, until_ms: int = 0) -> None:
        """Tell a fact."""
        self.directory.facts[name] = Fact(name, value, NOW_MS, Source.OPERATOR, until_ms)

    async def furnish(self) -> None:
        """Queue five messages of the shop where three places are, and claim what goes."""
        await self.ledger.put_portfolio(PORTFOLIO, a_portfolio(3))
        for sender in (SHOP, NEWS):
            await self.ledger.put_sender(PORTFOLIO, sender, a_sender(throughput_mps=1_000))
        await self.ledger.put_template(PORTFOLIO, "W/offer/en", a_template())
        await self.ledger.put_source(PORTFOLIO, "direct:api", a_source())
        lane = Lane("direct:api", SHOP, "W/offer/en", Priority.MARKETING)
        await self.ledger.enqueue([Batch(PORTFOLIO, lane, [a_row(n) for n in range(1, 6)])])
        await self.ledger.claim([Ask(PORTFOLIO, "w", 1, 10, 10)])


@pytest.fixture
async def stage() -> Stage:
    made = Stage()
    await made.furnish()
    return made


async def test_a_full_window_and_who_waits_for_it(stage: Stage) -> None:
    stage.freed = [0] * 30 + [3] * 31
    picture = await stage.overviews.take()
    assert (picture.workers, picture.problem) == (2, "")
    assert (picture.totals.in_flight, picture.totals.waiting) == (3, 2)
    (window,) = picture.windows
    assert (window.used, window.limit, window.available) == (3, 3, 0)
    assert window.curve is not None
    assert window.curve.free == stage.freed
    (row,) = picture.waiting
    assert (row.gate, row.jobs, row.senders) == ("quota", 2, ["shop"])
    assert row.meaning == MEANINGS[Gate.QUOTA]
    assert row.until == window.next_free_at
    shop = next(each for each in picture.senders if each.id == SHOP)
    assert (shop.in_flight, shop.waiting) == (3, {"quota": 2})


async def test_places_kept_from_marketing_are_told_and_waited_for(stage: Stage) -> None:
    """Meta's limit is not used up, and yet marketing waits: the rest is for those before it."""
    held = replace(stage.directory.portfolios["acme"], reserve={"utility": 0.7}, headroom=0.1)
    stage.directory.portfolios["acme"] = held
    await stage.ledger.put_portfolio(PORTFOLIO, a_portfolio(10))
    stage.freed = [0] * 10 + [3] * (CURVE_STEPS - 9)
    (window,) = (await stage.overviews.take()).windows
    assert (window.limit, window.available, window.kept) == (10, 7, 8)
    assert window.next_free_at is not None
    waits_ms = window.next_free_at.timestamp() * 1_000 - NOW_MS
    assert waits_ms == pytest.approx(10 * SPAN_MS / CURVE_STEPS)


async def test_debt_keeps_places_from_being_free(stage: Stage) -> None:
    stage.freed = [0, 1, 2] + [3] * (CURVE_STEPS - 2)
    await stage.ledger.put_portfolio(PORTFOLIO, a_portfolio(1))
    (window,) = (await stage.overviews.take()).windows
    assert window.debt == 2
    assert window.curve is not None
    assert window.curve.free[:4] == [0, 0, 0, 1]


async def test_rates_are_of_all_workers_and_by_label(stage: Stage) -> None:
    told_ms = NOW_MS - 6_000
    stage.pulses = [Pulse(told_ms, 2_000, {"shop": {"accepted": 20}}) for _ in range(2)]
    stage.pulses.append(Pulse(told_ms, 2_000, {"2": {"accepted": 10}}, {"2": {"131026": 4}}))
    picture = await stage.overviews.take()
    rates = {each.id: each.rate for each in picture.senders}
    assert rates == {SHOP: 4.0, NEWS: 1.0}
    assert picture.totals.rate == pytest.approx(5.0)
    assert picture.pace is not None
    assert sum(picture.pace.accepted) * picture.pace.step_seconds == pytest.approx(50, abs=0.1)
    (error,) = picture.errors
    assert (error.code, error.title, error.times) == ("131026", "title of 131026", 4)


async def test_what_closes_a_number_is_said_and_stands_first(stage: Stage) -> None:
    stage.tell(of_sender(NEWS, PAUSE), "paused", FOREVER_MS)
    stage.tell(of_sender(NEWS, QUALITY), "RED")
    stage.tell(of_sender(NEWS, STATUS), "CONNECTED")
    picture = await stage.overviews.take()
    first = picture.senders[0]
    assert (first.id, first.is_paused, first.quality) == (NEWS, True, "RED")
    assert [(each.gate, each.cause, each.until) for each in first.closed_by] == [
        ("sender", "pause", None)
    ]
    assert picture.senders[1].closed_by == []


async def test_a_closed_account_closes_all_its_numbers(stage: Stage) -> None:
    stage.tell(of_account(WABA, BAN), "DISABLE", FOREVER_MS)
    picture = await stage.overviews.take()
    assert [each.closed_by[0].gate for each in picture.senders] == ["account", "account"]
    assert not any(each.is_paused for each in picture.senders)


async def test_a_ledger_that_is_away_leaves_the_last_picture(stage: Stage) -> None:
    first = await stage.overviews.take()
    stage.is_away, stage.now_ms = True, NOW_MS + 5_000
    later = await stage.overviews.take()
    assert "ledger does not answer" in later.problem
    assert later.at > first.at
    assert replace(later, at=first.at, problem="") == first
    stage.is_away = False
    assert (await stage.overviews.take()).problem == ""


async def test_campaigns_that_are_over_are_not_read_again(stage: Stage) -> None:
    for number in range(40):
        stage.add_campaign(f"c{number:02}", created_at_ms=number)
    stage.ended = {f"c{number:02}" for number in range(38)}
    first = await stage.overviews.take()
    assert (len(first.campaigns), first.campaigns_in_all) == (40, 40)
    assert [each.state for each in first.campaigns[:3]] == ["running", "running", "completed"]
    stage.asked.clear()
    again = await stage.overviews.take()
    assert len(stage.asked) == 2 + READ_AGAIN + 1
    assert [each.id for each in again.campaigns] == [each.id for each in first.campaigns]


async def test_one_that_is_over_for_long_and_goes_on_is_seen_in_its_turn(stage: Stage) -> None:
    """Its failed rows were queued once more."""
    for number in range(30):
        stage.add_campaign(f"c{number:02}", created_at_ms=number)
    stage.ended = {f"c{number:02}" for number in range(30)}
    await stage.overviews.take()
    stage.ended.discard("c03")
    seen = [(await stage.overviews.take()).campaigns[0] for _ in range(30 - READ_AGAIN)]
    assert (seen[-1].id, seen[-1].state) == ("c03", "running")


async def test_a_campaign_that_is_no_more_is_forgotten(stage: Stage) -> None:
    stage.add_campaign("c1")
    stage.ended = {"c1"}
    assert len((await stage.overviews.take()).campaigns) == 1
    del stage.directory.campaigns["c1"]
    assert (await stage.overviews.take()).campaigns == []
    assert stage.overviews._over == {}


async def test_a_campaign_the_ledger_does_not_know_yet_hides_no_other(stage: Stage) -> None:
    stage.add_campaign("unborn")
    stage.add_campaign("c1")
    assert [each.id for each in (await stage.overviews.take()).campaigns] == ["c1"]


async def test_a_picture_is_bounded(stage: Stage) -> None:
    for number in range(SENDERS_MAX + 50):
        name = SenderId(f"9{number:04}")
        stage.directory.senders[name] = Sender(name, PORTFOLIO, WABA, "+1 555 0100")
    for number in range(GOING_MAX + 50):
        stage.add_campaign(f"c{number}")
    picture = await stage.overviews.take()
    assert len(picture.senders) == SENDERS_MAX
    assert picture.senders_in_all == SENDERS_MAX + 52
    assert len(stage.asked) == GOING_MAX
    assert len(msgspec.json.encode(picture)) < 200_000


async def test_each_number_with_a_window_of_its_own(stage: Stage) -> None:
    portfolio = PortfolioId("old")
    stage.directory.portfolios["old"] = Portfolio(portfolio, 10, "phone_number", number=2)
    await stage.ledger.put_portfolio(portfolio, a_portfolio(10, scope="phone_number"))
    for name in ("7", "8"):
        sender = SenderId(name)
        stage.directory.senders[name] = Sender(sender, portfolio, WABA, "+1 555 0107")
        await stage.ledger.put_sender(portfolio, sender, a_sender())
    windows = [each for each in (await stage.overviews.take()).windows if each.portfolio == "old"]
    assert [(each.sender, each.limit) for each in windows] == [("7", 10), ("8", 10)]


async def test_no_limit_has_no_curve(stage: Stage) -> None:
    await stage.ledger.put_portfolio(PORTFOLIO, a_portfolio(-1))
    (window,) = (await stage.overviews.take()).windows
    assert (window.limit, window.curve) == (-1, None)
    assert await stage.ledger.quota(PORTFOLIO) == Quota(-1, 3, 0, 3, -1, None)


async def test_no_recipient_is_in_the_picture(stage: Stage) -> None:
    body = msgspec.json.encode(await stage.overviews.take())
    assert b"4915100" not in body
    assert b"Anna" not in body


def test_every_gate_has_its_words() -> None:
    assert set(MEANINGS) == set(Gate)
