"""Campaigns: what may follow what, and how the end is foretold."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from engine.books import shown_counts
from engine.campaign_wishes import CampaignWish
from engine.campaigns import Campaigns, remaining
from engine.directory import Campaign, Sender, Template
from engine.errors import InvalidJobError, UnknownNameError
from engine.facts import Fact, Source, of_sender
from engine.front_door import FrontDoor
from engine.messages import SeveralErrors
from engine.model import Category, PortfolioId, SenderId, SourceState, TemplateStatus, WabaId
from engine.ports import FOREVER_MS, PortfolioSpec
from engine.recipients import RecipientKeys
from engine.row_intake import CampaignRows
from engine.senders import QualityGuard
from engine.terms import Terms
from tests.builders import a_sender, a_template

PORTFOLIO, WABA = PortfolioId("p1"), WabaId("w1")


class Desk:
    """Campaigns on a memory ledger, with a clock that stands."""

    def __init__(self) -> None:
        self.now_ms = 1_780_000_000_000
        self.moved: list[SourceState] = []
        self.ledger = MemoryLedger(Terms(), lambda: self.now_ms)
        self.registry = MemoryRegistry()
        self.campaigns = Campaigns(
            self.registry,
            self.ledger,
            self.ledger,
            self.ledger,
            now_ms=lambda: self.now_ms,
            span_ms=86_700_000,
            moved=self._note,
            guard=QualityGuard(0.5, 0),
        )
        keys = RecipientKeys(b"a secret of this test's ledger")
        door = FrontDoor(self.ledger, self.registry.directory, keys, lambda _event: None)
        self.rows = CampaignRows(door)

    async def _note(self, campaign: Campaign) -> None:
        self.moved.append(campaign.state)

    async def furnish(self) -> None:
        """Put two senders of one portfolio and one of another, and a template."""
        for name, portfolio in (("1", "p1"), ("2", "p1"), ("3", "p2")):
            sender = Sender(SenderId(name), PortfolioId(portfolio), WABA, "+1")
            await self.registry.put(sender)
        components: list[dict[str, object]] = [{"type": "BODY", "text": "Hi {{1}}"}]
        await self.registry.put(
            Template(
                WABA, "offer", "en_US", Category.MARKETING, TemplateStatus.APPROVED, components
            )
        )
        await self.ledger.put_portfolio(PORTFOLIO, PortfolioSpec(places=250))

    async def open_all(self) -> None:
        """Tell the ledger of the template and both senders."""
        for sender in ("1", "2"):
            await self.ledger.put_sender(PORTFOLIO, SenderId(sender), a_sender())
        await self.ledger.put_template(PORTFOLIO, f"{WABA}/offer/en_US", a_template())


@pytest.fixture
async def desk() -> Desk:
    furnished = Desk()
    await furnished.furnish()
    return furnished


def a_wish(text: str = "{{name}}", **changes: object) -> CampaignWish:
    parameters = [{"type": "text", "text": text}]
    message: dict[str, object] = {
        "type": "template",
        "template": {
            "name": "offer",
            "language": {"code": "en_US"},
            "components": [{"type": "body", "parameters": parameters}],
        },
    }
    made: dict[str, object] = {
        "id": "c1",
        "name": "Autumn",
        "senders": ["1", "2"],
        "message": message,
    }
    return CampaignWish(**(made | changes))  # type: ignore[arg-type]


async def test_a_campaign_begins_as_a_draft_with_its_message_stored_once(desk: Desk) -> None:
    campaign = await desk.campaigns.create(a_wish())
    assert (campaign.state, campaign.fields) == (SourceState.DRAFT, ("name",))
    body = await desk.ledger.content(PORTFOLIO, "campaign:c1", campaign.content)
    assert b'"fields": ["name"]' in body


async def test_the_same_wish_twice_is_one_campaign_and_another_is_refused(desk: Desk) -> None:
    first = await desk.campaigns.create(a_wish())
    assert await desk.campaigns.create(a_wish()) == first
    with pytest.raises(InvalidJobError) as caught:
        await desk.campaigns.create(a_wish(name="Winter"))
    assert caught.value.code == "conflict"


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"senders": []}, ["/senders"]),
        ({"senders": ["1", "1"]}, ["/senders/1"]),
        ({"senders": ["1", "9"]}, ["/senders/1"]),
        ({"senders": ["1", "3"]}, ["/senders"]),
        ({"text": "{{to}}"}, ["/message"]),
        ({"message": {"type": "text", "text": {"body": "Hi"}}}, ["/message/type"]),
    ],
)
async def test_a_campaign_that_cannot_go_is_refused_with_all_its_faults(
    desk: Desk, changes: dict[str, object], pointers: list[str]
) -> None:
    with pytest.raises(SeveralErrors) as caught:
        await desk.campaigns.create(a_wish(**changes))  # type: ignore[arg-type]
    assert [error.pointer for error in caught.value.all] == pointers


async def test_it_starts_pauses_resumes_and_ends(desk: Desk) -> None:
    await desk.campaigns.create(a_wish())
    for action in ("start", "start", "pause", "resume", "cancel", "cancel"):
        await desk.campaigns.move("c1", action)
    running, paused = SourceState.RUNNING, SourceState.PAUSED
    ended = SourceState.CANCELLED
    assert desk.moved == [running, running, paused, running, ended, ended]


@pytest.mark.parametrize("action", ["start", "pause", "resume"])
async def test_what_was_cancelled_never_runs_again(desk: Desk, action: str) -> None:
    await desk.campaigns.create(a_wish())
    await desk.campaigns.move("c1", "cancel")
    with pytest.raises(InvalidJobError) as caught:
        await desk.campaigns.move("c1", action)
    assert caught.value.code == "state"


async def test_a_start_in_the_future_is_a_schedule(desk: Desk) -> None:
    await desk.campaigns.create(a_wish(start_at_ms=desk.now_ms + 60_000))
    assert (await desk.campaigns.move("c1", "start")).state is SourceState.SCHEDULED
    assert (await desk.campaigns.status("c1")).state == "scheduled"
    desk.now_ms += 60_000
    assert (await desk.campaigns.status("c1")).state == "running"


@pytest.mark.parametrize(("quality", "seconds"), [("GREEN", 4), ("YELLOW", 8), ("RED", None)])
async def test_its_end_is_foretold_from_the_share_that_quality_leaves_it(
    desk: Desk, quality: str, seconds: int | None
) -> None:
    await desk.ledger.put_portfolio(PORTFOLIO, PortfolioSpec(places=-1))
    campaign = await desk.campaigns.create(a_wish())
    await desk.campaigns.move("c1", "start")
    await desk.rows.accept(campaign, [(f"49151{n:08}", ["Ada"]) for n in range(640)])
    await desk.open_all()
    for sender in campaign.senders:
        fact = Fact(of_sender(sender, "quality"), quality, desk.now_ms, Source.REFRESH)
        await desk.registry.tell(fact)
    eta_ms = (await desk.campaigns.status("c1")).eta_ms
    assert eta_ms == (desk.now_ms + seconds * 1_000 if seconds else None)


async def test_its_end_is_foretold_from_rate_and_places(desk: Desk) -> None:
    campaign = await desk.campaigns.create(a_wish())
    await desk.campaigns.move("c1", "start")
    rows = [(f"49151{n:08}", ["Ada"]) for n in range(600)]
    await desk.rows.accept(campaign, rows)
    status = await desk.campaigns.status("c1")
    assert remaining(status.counts) == 600
    assert shown_counts(status.counts)["waiting"] == {"template": 600}  # never told of to it
    assert status.eta_ms is None, "nobody knows when that ends"
    await desk.open_all()
    status = await desk.campaigns.status("c1")
    assert status.eta_ms == desk.now_ms + 86_700_000  # 250 now, 250 a day later, 100 then


async def test_the_end_of_a_draft_is_not_foretold_while_one_of_its_numbers_is_closed(
    desk: Desk,
) -> None:
    campaign = await desk.campaigns.create(a_wish())
    await desk.rows.accept(campaign, [(f"49151{n:08}", ["Ada"]) for n in range(100)])
    assert (await desk.campaigns.foretell("c1")).eta_ms is not None
    fact = Fact(of_sender(campaign.senders[0], "quality"), "RED", desk.now_ms, Source.REFRESH)
    await desk.registry.tell(fact)
    assert (await desk.campaigns.foretell("c1")).eta_ms is None


async def test_rows_of_a_number_that_is_closed_do_not_leave_at_once(desk: Desk) -> None:
    campaign = await desk.campaigns.create(a_wish())
    await desk.rows.accept(campaign, [(f"49151{n:08}", ["Ada"]) for n in range(100)])
    standings = await desk.ledger.zones(PORTFOLIO, campaign.source)
    rows = [sum(each.senders.get(name, 0) for each in standings) for name in campaign.senders]
    assert sum(rows) == 100
    assert all(20 < each < 80 for each in rows)
    for closed, at_once in ((0, rows[1]), (1, 0)):
        name = of_sender(campaign.senders[closed], "pause")
        await desk.registry.tell(Fact(name, "paused", desk.now_ms, Source.OPERATOR, FOREVER_MS))
        foretold = await desk.campaigns.foretell("c1")
        assert (foretold.rows, foretold.at_once, foretold.eta_ms) == (100, at_once, None)
        assert not any("messaging limit" in each for each in foretold.warnings)


@pytest.mark.parametrize(("days", "is_late"), [(1, True), (3, False), (0, False)])
async def test_a_start_and_a_campaign_that_runs_say_that_rows_will_expire(
    desk: Desk, *, days: int, is_late: bool
) -> None:
    expires_at_ms = desk.now_ms + days * 86_400_000 if days else 0
    campaign = await desk.campaigns.create(a_wish(expires_at_ms=expires_at_ms))
    await desk.open_all()
    await desk.rows.accept(campaign, [(f"49151{n:08}", ["Ada"]) for n in range(600)])
    foretold = await desk.campaigns.foretell("c1")
    await desk.campaigns.move("c1", "start")
    for warnings in (foretold.warnings, (await desk.campaigns.status("c1")).warnings):
        late = [each for each in warnings if "what waits then is never sent" in each]
        assert len(late) == is_late
        assert all(each.startswith("it expires at 2026-05-29T20:26:40Z") for each in late)


CLOSED: list[Any] = [
    pytest.param("sender/{}/pause", "paused", FOREVER_MS, "wait until that is mended", id="paused"),
    pytest.param("sender/{}/status", "RESTRICTED", 90_000, "wait until 2026-", id="restricted"),
    pytest.param(
        "waba/{}/restriction",
        *("RESTRICTED_BIZ_INITIATED_MESSAGING", 90_000, "wait until 2026-"),
        id="its account is restricted",
    ),
    pytest.param("sender/{}/status", "RESTRICTED", -1, "", id="was restricted"),
    pytest.param(
        "waba/{}/replies",
        *("RESTRICTED_CUSTOMER_INITIATED_MESSAGING", FOREVER_MS, ""),
        id="only answers wait",
    ),
]


@pytest.mark.parametrize(("name", "value", "lasts_ms", "words"), CLOSED)
async def test_a_start_and_a_campaign_that_runs_say_which_numbers_are_closed(
    desk: Desk, name: str, value: str, lasts_ms: int, words: str
) -> None:
    campaign = await desk.campaigns.create(a_wish())
    await desk.rows.accept(campaign, [(f"49151{n:08}", ["Ada"]) for n in range(100)])
    number = desk.registry.directory.senders[campaign.senders[0]]
    until_ms = FOREVER_MS if lasts_ms == FOREVER_MS else desk.now_ms + lasts_ms
    its = name.format(number.waba_id if name.startswith("waba") else number.id)
    await desk.registry.tell(Fact(its, value, desk.now_ms, Source.WEBHOOK, until_ms))
    foretold = await desk.campaigns.foretell("c1")
    assert (foretold.eta_ms is None) == bool(words)
    await desk.campaigns.move("c1", "start")
    for warnings in (foretold.warnings, (await desk.campaigns.status("c1")).warnings):
        told = [each for each in warnings if each.startswith(f"sender {number.id}: ")]
        assert len(told) == bool(words)
        assert all(value in each and words in each for each in told)


async def test_a_campaign_nobody_made_is_unknown(desk: Desk) -> None:
    with pytest.raises(UnknownNameError):
        await desk.campaigns.status("c9")


class Meddling(MemoryRegistry):
    """A registry where somebody else does something while a record is on its way there."""

    def __init__(self) -> None:
        super().__init__()
        self.meddle: Callable[[], Awaitable[object]] | None = None

    async def change(self, *what: Any, **how: Any) -> Any:  # noqa: ANN401 (see Registry.change)
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            await meddle()
        return await super().change(*what, **how)


async def test_of_two_who_move_it_at_once_one_is_the_last_everywhere() -> None:
    desk, registry = Desk(), Meddling()
    desk.registry = desk.campaigns._registry = registry
    await desk.furnish()
    await desk.campaigns.create(a_wish())
    await desk.campaigns.move("c1", "start")
    elsewhere = Campaigns(  # another process: it has a turn of its own
        *(registry, desk.ledger, desk.ledger, desk.ledger),
        now_ms=lambda: desk.now_ms,
        span_ms=86_700_000,
        guard=QualityGuard(0.5, 0),
    )
    registry.meddle = lambda: elsewhere.move("c1", "resume")
    assert (await desk.campaigns.move("c1", "pause")).state is SourceState.PAUSED
    assert desk.ledger.slot(PORTFOLIO)[0].sources["campaign:c1"].spec.state is SourceState.PAUSED
    registry.meddle = lambda: elsewhere.move("c1", "pause")
    assert (await desk.campaigns.move("c1", "resume")).state is SourceState.RUNNING
    assert desk.ledger.slot(PORTFOLIO)[0].sources["campaign:c1"].spec.state is SourceState.RUNNING


async def test_a_cancel_is_for_good_whoever_comes_between() -> None:
    desk, registry = Desk(), Meddling()
    desk.registry = desk.campaigns._registry = registry
    await desk.furnish()
    await desk.campaigns.create(a_wish())
    registry.meddle = lambda: desk.campaigns.move("c1", "cancel")
    with pytest.raises(InvalidJobError, match="cancelled cannot start"):
        await desk.campaigns.move("c1", "start")
    assert (await desk.campaigns.status("c1")).state == "cancelled"
    assert desk.ledger.slot(PORTFOLIO)[0].sources["campaign:c1"].spec.state == "cancelled"
