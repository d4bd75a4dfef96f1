"""What a template's change does, in which order, and when it is done again."""

from dataclasses import replace

import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from engine.directory import Campaign, Journey, Portfolio, Sender, Template, TemplateDraft
from engine.errors import LedgerAwayError
from engine.model import (
    Category,
    PortfolioId,
    Priority,
    SenderId,
    SourceState,
    TemplateStatus,
    WabaId,
)
from engine.ports import PortfolioSpec, SenderSpec, SourceSpec, TemplateSpec
from engine.template_changes import TemplateChanges, spec_of
from engine.terms import Terms
from tests.builders import put_in_force

NOW_MS = 1_780_000_000_000
P = PortfolioId("p")
APPROVED, PENDING = TemplateStatus.APPROVED, TemplateStatus.PENDING
ONE: list[dict[str, object]] = [{"type": "BODY", "text": "Hi {{1}}."}]
NONE: list[dict[str, object]] = [{"type": "BODY", "text": "Hi."}]
MESSAGE: dict[str, object] = {
    "type": "template",
    "template": {
        "name": "offer",
        "language": {"code": "en"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "{{name}}"}]}],
    },
}


class Ledger(MemoryLedger):
    """Writes down what it is told about gates and sources, and may be away."""

    def __init__(self) -> None:
        super().__init__(Terms(), lambda: NOW_MS)
        self.told: list[str] = []
        self.is_away = False

    @property
    def first_told(self) -> list[str]:
        """Return what it was told, each once: who writes tells it again in the end."""
        return list(dict.fromkeys(self.told))

    async def put_template(self, portfolio: PortfolioId, template: str, spec: TemplateSpec) -> None:
        if self.is_away:
            raise LedgerAwayError("away")
        self.told.append(f"gate {spec.status}")
        await super().put_template(portfolio, template, spec)

    async def put_source(self, portfolio: PortfolioId, source: str, spec: SourceSpec) -> None:
        if self.is_away:
            raise LedgerAwayError("away")
        self.told.append(f"source {spec.state}")
        await super().put_source(portfolio, source, spec)


def test_news_of_a_template_that_is_asked_about_open_nothing_an_answer_closed() -> None:
    words = (WabaId("w"), "offer", "en", Category.MARKETING, APPROVED, ONE)
    assert spec_of(Template(*words)).lifts
    assert not spec_of(Template(*words, stale_since_ms=NOW_MS)).lifts


class House:
    """Two accounts, each with the template, and a campaign that sends from both."""

    def __init__(self) -> None:
        self.registry = MemoryRegistry()
        self.ledger = Ledger()
        self.moved: list[SourceState] = []
        self.changes = TemplateChanges(
            *(self.registry, self.ledger, self.ledger, self.ledger),
            now_ms=lambda: NOW_MS,
            moved=self._moved,
        )

    async def _moved(self, campaign: Campaign | Journey) -> None:
        self.moved.append(campaign.state)

    async def furnish(self) -> None:
        await self.registry.put(Portfolio(P, 250))
        await self.ledger.put_portfolio(P, PortfolioSpec(250))
        for number, waba in (("1", "w1"), ("2", "w2")):
            await self.registry.put(Sender(SenderId(number), P, WabaId(waba), "+1"))
            await self.ledger.put_sender(P, SenderId(number), SenderSpec(WabaId(waba)))
            await put_in_force(self.changes, a_template(waba))
        campaign = Campaign(
            id="c",
            name="c",
            portfolio_id=P,
            senders=(SenderId("1"), SenderId("2")),
            message=MESSAGE,
            fields=("name",),
            templates=("w1/offer/en", "w2/offer/en"),
            category=Category.MARKETING,
            priority=Priority.MARKETING,
            content=1,
            state=SourceState.RUNNING,
        )
        await self.ledger.put_source(P, campaign.source, SourceSpec(SourceState.RUNNING))
        await self.registry.put(campaign)
        self.ledger.told.clear()

    @property
    def campaign(self) -> Campaign:
        return self.registry.directory.campaigns["c"]

    async def put(self, template: Template, *, is_edit: bool = False) -> list[str]:
        return [each.did for each in await put_in_force(self.changes, template, is_edit=is_edit)]


def a_template(waba: str = "w1", **changes: object) -> Template:
    template = Template(
        waba_id=WabaId(waba),
        name="offer",
        language="en",
        category=Category.MARKETING,
        status=APPROVED,
        components=ONE,
    )
    return replace(template, **changes)  # type: ignore[arg-type]


@pytest.fixture
async def house() -> House:
    house = House()
    await house.furnish()
    return house


async def test_only_news_that_it_is_approved_open_what_an_answer_closed(house: House) -> None:
    slot, pair = house.ledger.slot(P)[0], (SenderId("1"), "w1/offer/en")
    slot.struck.add(pair)  # answered 132015: Meta will be asked, in a moment
    await house.put(a_template(quality="RED"))
    draft = TemplateDraft(Category.MARKETING, NONE)
    await house.put(a_template(quality="RED", draft=draft))
    assert slot.struck == {pair}
    await house.put(a_template(quality="RED", draft=draft, read_at_ms=NOW_MS))
    assert slot.struck == set()
    slot.struck.add(pair)
    house.ledger.is_away = True
    approved = a_template(status_at_ms=NOW_MS, read_at_ms=NOW_MS)
    with pytest.raises(LedgerAwayError):
        await put_in_force(house.changes, approved)
    house.ledger.is_away = False
    await house.put(approved)  # once more, for nobody knows whether it was done
    assert slot.struck == set()


async def test_closing_comes_first_and_opening_last(house: House) -> None:
    assert await house.put(a_template(status=PENDING), is_edit=True) == ["stopped"]
    assert house.ledger.first_told == ["gate PENDING", "source stopped"]
    house.ledger.told.clear()
    assert await house.put(a_template()) == ["resumed"]
    assert house.ledger.first_told == ["source running", "gate APPROVED"]
    assert house.moved == [SourceState.STOPPED, SourceState.RUNNING]


async def test_words_that_no_longer_fit_stop_it_before_the_gate_opens(house: House) -> None:
    assert await house.put(a_template(components=NONE)) == ["stopped"]
    assert house.ledger.first_told == ["source stopped", "gate APPROVED"]
    assert house.campaign.stopped_by == "w1/offer/en"
    assert await house.put(a_template()) == ["resumed"]


async def test_it_comes_back_when_all_its_templates_are_approved(house: House) -> None:
    for waba in ("w1", "w2"):
        await house.put(a_template(waba, status=PENDING), is_edit=True)
    assert await house.put(a_template("w1")) == ["stays_stopped"]
    assert await house.put(a_template("w2")) == ["resumed"]


@pytest.mark.parametrize(
    "status", [TemplateStatus.PAUSED, TemplateStatus.REJECTED, TemplateStatus.UNKNOWN]
)
async def test_what_may_pass_parks_and_stops_nothing(house: House, status: TemplateStatus) -> None:
    assert await house.put(a_template(status=status)) == []
    assert house.campaign.state is SourceState.RUNNING
    assert await house.put(a_template()) == []


@pytest.mark.parametrize("status", [TemplateStatus.DISABLED, TemplateStatus.DELETED])
async def test_what_is_for_good_cancels(house: House, status: TemplateStatus) -> None:
    assert await house.put(a_template(status=status)) == ["cancelled"]
    assert await house.put(a_template()) == []
    assert house.campaign.state is SourceState.CANCELLED


async def test_the_same_again_changes_nothing(house: House) -> None:
    await house.put(a_template(status=PENDING), is_edit=True)
    before = house.campaign
    assert await house.put(a_template(status=PENDING), is_edit=True) == []
    assert house.campaign is before


async def test_what_a_ledger_that_was_away_missed_is_done_when_it_is_done_again(
    house: House,
) -> None:
    house.ledger.is_away = True
    for template in (a_template(status=PENDING), a_template(components=NONE)):
        with pytest.raises(LedgerAwayError):
            await house.put(template, is_edit=True)
        assert house.campaign.state is SourceState.RUNNING
    house.ledger.is_away = False
    assert await house.put(a_template(components=NONE)) == ["stopped"]


async def test_copies_after_a_doubt_only_become_fewer(house: House) -> None:
    await house.registry.put(replace(house.campaign, repeats_max=1))
    await house.put(a_template(category=Category.UTILITY))
    assert (house.campaign.priority, house.campaign.repeats_max) == (Priority.UTILITY, 1)
    await house.put(a_template(category=Category.MARKETING))
    assert (house.campaign.priority, house.campaign.repeats_max) == (Priority.MARKETING, 0)


async def test_a_template_has_another_version_when_it_wants_something_else(house: House) -> None:
    def version() -> tuple[int, int]:
        known = house.registry.directory.templates["w1/offer/en"]
        return known.version, known.changed_at_ms

    await house.put(a_template(quality="GREEN", read_at_ms=5))
    assert version() == (0, 0)
    await house.put(a_template(components=NONE))
    await house.put(a_template(components=NONE, status=PENDING))
    assert version() == (1, NOW_MS)
    await house.put(a_template(components=NONE, category=Category.UTILITY))
    assert version() == (2, NOW_MS)
    slot, _ = house.ledger.slot(P)
    assert slot.templates["w1/offer/en"].version == 2


async def test_what_news_named_before_it_was_read_is_no_change(house: House) -> None:
    unread = replace(a_template("w1", components=[], is_read=False), name="fresh")
    await put_in_force(house.changes, unread)
    await put_in_force(house.changes, replace(unread, components=ONE, is_read=True))
    assert house.registry.directory.templates["w1/fresh/en"].version == 0
