"""Template news through the folding: any order, unknown words, unknown templates, no senders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.memory.archive import MemoryArchive
from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from adapters.meta.news import (
    Failure,
    Person,
    Template,
    TemplateCategoryChanged,
    TemplateEdited,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from adapters.meta.template_folding import TemplateFolding
from engine import directory
from engine.directory import Portfolio, Sender
from engine.errors import ProviderAwayError, ProviderBusyError, ProviderRefusedError
from engine.model import Category, PortfolioId, SenderId, TemplateStatus, WabaId
from engine.ports import PortfolioSpec, SenderSpec
from engine.template_changes import TemplateChanges
from engine.template_desk import ASK_AGAIN_MS, POLL_EVERY_MS, REFUSED_MS, TemplateDesk
from engine.template_life import second_of
from engine.terms import Terms
from tests.builders import put_in_force
from tests.front_desk import Master, a_template

WABA = "waba-1"
NOW_MS = 1_780_000_000_000
APPROVED, PAUSED = TemplateStatus.APPROVED, TemplateStatus.PAUSED
OFFER = Template(waba=WabaId(WABA), name="offer", language="en_US", id="77")
KEY = f"{WABA}/offer/en_US"


class House:
    """A ledger, a registry and what folds template news into them."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.registry = MemoryRegistry()
        self.ledger = MemoryLedger(Terms(), lambda: self.now_ms)
        self.changes = TemplateChanges(
            self.registry, self.ledger, self.ledger, self.ledger, now_ms=lambda: self.now_ms
        )
        self.folding = TemplateFolding(
            self.registry, self.changes, lambda: self.now_ms, self._template_of
        )
        self.master = Master([replace(a_template(), meta_id="77")])
        archive = MemoryArchive()
        self.desk = TemplateDesk(
            self.registry, self.changes, self.master, archive, now_ms=lambda: self.now_ms
        )

    async def _template_of(self, failure: Failure) -> str:
        return KEY if failure.opaque else ""

    async def furnish(self) -> None:
        portfolio, sender = PortfolioId("p"), SenderId("1")
        await self.registry.put(Portfolio(portfolio, 250))
        await self.registry.put(Sender(sender, portfolio, WabaId(WABA), "+1 555"))
        await self.ledger.put_portfolio(portfolio, PortfolioSpec(250))
        await self.ledger.put_sender(portfolio, sender, SenderSpec(WabaId(WABA)))

    async def note_status(self, status: TemplateStatus | None, at_ms: int) -> None:
        event = status.value if status else "FLAGGED"
        await self.folding.note(
            TemplateStatusChanged(template=OFFER, event=event, status=status, at_ms=at_ms)
        )

    @property
    def template(self) -> directory.Template:
        return self.registry.directory.templates[KEY]

    @property
    def gate(self) -> TemplateStatus:
        slot, _ = self.ledger.slot(PortfolioId("p"))
        return slot.templates[KEY].status


@pytest.fixture
async def house() -> House:
    house = House()
    await house.furnish()
    return house


async def test_an_older_notice_never_undoes_a_newer_one(house: House) -> None:
    await put_in_force(house.changes, a_template(status_at_ms=NOW_MS))
    await house.note_status(PAUSED, NOW_MS + 120_000)
    await house.note_status(APPROVED, NOW_MS + 30_000)
    assert (house.template.status, house.gate) == (PAUSED, PAUSED)
    await house.note_status(APPROVED, NOW_MS + 240_000)
    assert (house.template.status, house.gate) == (APPROVED, APPROVED)


async def test_which_pause_it_is_is_told_as_its_reason(house: House) -> None:
    await put_in_force(house.changes, a_template())
    pause = {"template": OFFER, "event": "PAUSED", "status": PAUSED, "reason": "NONE"}
    await house.folding.note(TemplateStatusChanged(**pause, title="FIRST_PAUSE", at_ms=NOW_MS))  # type: ignore[arg-type]  # of several types
    assert (house.template.status, house.template.rejected_reason) == (PAUSED, "FIRST_PAUSE")
    await house.note_status(APPROVED, NOW_MS + 1_000)
    assert house.template.rejected_reason == ""


async def test_a_template_without_a_sender_hears_its_news_too() -> None:
    house = House()
    await house.registry.put(a_template())
    await house.note_status(PAUSED, NOW_MS)
    assert house.template.status is PAUSED
    assert await house.desk.ask_next() is None  # there is no token to ask with


async def test_news_that_does_not_tell_the_status_is_asked_about(house: House) -> None:
    await put_in_force(house.changes, a_template())
    await house.note_status(None, NOW_MS)
    assert house.template.stale_since_ms
    house.master.templates = [replace(a_template(status=PAUSED), meta_id="77")]
    asked = await house.desk.ask_next()
    assert asked is not None
    assert (house.template.status, house.gate) == (PAUSED, PAUSED)
    assert house.template.stale_since_ms == 0
    assert await house.desk.ask_next() is None


async def test_an_unknown_event_forbids_until_meta_was_asked(house: House) -> None:
    await put_in_force(house.changes, a_template())
    await house.note_status(TemplateStatus.UNKNOWN, NOW_MS)
    assert house.gate is TemplateStatus.UNKNOWN
    house.now_ms += 1_000
    await house.desk.ask_next()
    assert house.gate is APPROVED


async def test_a_template_nobody_read_yet_is_asked_for_and_then_known(house: House) -> None:
    await house.note_status(APPROVED, NOW_MS)
    assert not house.template.is_read
    house.now_ms += 1_000
    await house.desk.ask_next()
    assert house.template.is_read
    assert house.template.components == house.master.templates[0].components
    assert house.gate is APPROVED


async def test_news_of_another_template_of_this_name_ends_nothing_and_is_asked_about(
    house: House,
) -> None:
    await put_in_force(house.changes, replace(a_template(), meta_id="78", status_at_ms=NOW_MS))
    await house.note_status(TemplateStatus.DELETED, NOW_MS + 120_000)  # of 77, which it was before
    assert (house.template.status, house.gate) == (TemplateStatus.UNKNOWN, TemplateStatus.UNKNOWN)
    house.master.templates = [replace(a_template(), meta_id="78")]
    asked = await house.desk.ask_next()
    assert (asked and asked.meta_id, house.gate) == ("78", APPROVED)
    await house.folding.note(TemplateQualityChanged(template=OFFER, quality="RED", at_ms=NOW_MS))
    assert (house.template.quality, house.template.stale_since_ms > 0) == ("UNKNOWN", True)


async def test_news_of_an_account_that_is_not_ours_is_left_alone(house: House) -> None:
    stranger = Template(waba=WabaId("other"), name="offer", language="en_US")
    await house.folding.note(TemplateEdited(template=stranger, at_ms=NOW_MS))
    assert house.registry.directory.templates == {}


async def test_category_and_quality_are_heard(house: House) -> None:
    await put_in_force(house.changes, a_template())
    change = TemplateCategoryChanged(template=OFFER, current="UTILITY", at_ms=NOW_MS)
    await house.folding.note(change)
    await house.folding.note(TemplateQualityChanged(template=OFFER, quality="RED", at_ms=NOW_MS))
    assert (house.template.category, house.template.quality) == (Category.UTILITY, "RED")
    slot, _ = house.ledger.slot(PortfolioId("p"))
    assert slot.templates[KEY].category is Category.UTILITY


async def test_a_busy_meta_is_left_alone_as_long_as_it_wants(house: House) -> None:
    await put_in_force(house.changes, a_template())
    await house.note_status(None, NOW_MS)
    busy_ms = 10 * 60_000
    for error, wait_ms in (
        (ProviderBusyError("busy", until_ms=NOW_MS + busy_ms, wait_ms=busy_ms), busy_ms),
        (ProviderAwayError("away"), ASK_AGAIN_MS),
        (ProviderRefusedError("no", code=190), REFUSED_MS),
    ):
        house.master.error = error
        asked = len(house.master.asked)
        assert await house.desk.ask_next() is None
        house.now_ms += wait_ms - 1
        assert await house.desk.ask_next() is None
        assert len(house.master.asked) == asked + 1
        house.now_ms += 1
    house.master.error = None
    assert await house.desk.ask_next() is not None


async def test_one_template_that_is_refused_keeps_no_other_waiting(house: House) -> None:
    await put_in_force(house.changes, a_template(stale_since_ms=1))
    await put_in_force(house.changes, a_template("update", stale_since_ms=1))
    house.master.templates.append(a_template("update"))
    house.master.error = ProviderRefusedError("no", code=100)
    assert await house.desk.ask_next() is None
    assert {name for _, name in house.master.asked} == {"offer", "update"}


async def test_a_review_whose_webhook_was_lost_is_asked_about_slowly(house: House) -> None:
    pending = TemplateStatus.PENDING
    await put_in_force(house.changes, a_template(status=pending, meta_id="77", read_at_ms=NOW_MS))
    house.now_ms += POLL_EVERY_MS - 1
    assert await house.desk.ask_next() is None
    house.now_ms += 1
    assert await house.desk.ask_next() is not None
    assert house.gate is APPROVED


async def test_a_question_does_not_wait_because_a_review_was_asked_about(house: House) -> None:
    """The verdict of a new template may come in the very second in which its review was seen."""
    pending = a_template(status=TemplateStatus.PENDING, meta_id="77")
    await put_in_force(house.changes, pending)
    house.master.templates = [pending]
    assert await house.desk.ask_next() is not None
    await house.note_status(APPROVED, second_of(house.now_ms))
    assert (house.gate, bool(house.template.stale_since_ms)) == (TemplateStatus.PENDING, True)
    house.master.templates = [a_template(meta_id="77")]
    house.now_ms += 1_000
    assert await house.desk.ask_next() is not None
    assert house.gate is APPROVED


async def test_reviews_of_an_account_are_asked_about_one_a_minute(house: House) -> None:
    for name in ("offer", "update"):
        pending = a_template(name, status=TemplateStatus.PENDING, meta_id=name)
        house.master.templates.append(pending)
        await put_in_force(house.changes, pending)
    assert await house.desk.ask_next() is not None
    await house.note_status(None, house.now_ms)  # a question in between
    house.now_ms += 1_000
    assert await house.desk.ask_next() is not None
    assert await house.desk.ask_next() is None
    house.now_ms += 59_000
    assert await house.desk.ask_next() is not None


def a_failure(code: int, at_ms: int, opaque: str = "ours") -> Failure:
    return Failure(
        waba=WabaId(WABA),
        sender=SenderId("1"),
        at_ms=at_ms,
        person=Person("4915112345678"),
        opaque=opaque,
        code=code,
    )


async def test_a_wave_of_dropped_messages_stops_their_template(house: House) -> None:
    await put_in_force(house.changes, a_template(meta_id="77"))
    wave = [a_failure(132015, NOW_MS + n) for n in range(100)]
    await house.folding.note_failures([a_failure(131049, NOW_MS), *wave])
    assert (house.gate, bool(house.template.stale_since_ms)) == (PAUSED, True)
    house.now_ms += 60_000
    await house.desk.ask_next()
    assert house.gate is APPROVED  # says Meta
    await house.folding.note_failures(wave)
    assert house.gate is APPROVED  # that was before


async def test_a_disabled_template_ends_nothing_before_meta_was_asked(house: House) -> None:
    await put_in_force(house.changes, a_template(meta_id="77"))
    await house.folding.note_failures([a_failure(132016, NOW_MS)])
    assert house.gate is TemplateStatus.UNKNOWN
    assert house.template.stale_since_ms


async def test_messages_that_are_not_ours_stop_nothing(house: House) -> None:
    await put_in_force(house.changes, a_template(meta_id="77"))
    await house.folding.note_failures([a_failure(132015, NOW_MS, opaque="")])
    assert house.gate is APPROVED


async def test_a_template_that_is_doubted_all_the_time_is_asked_about_ever_more_rarely(
    house: House,
) -> None:
    await put_in_force(house.changes, a_template(meta_id="77"))
    asked = 0
    for _ in range(600):  # ten minutes
        await house.note_status(None, house.now_ms)
        asked += await house.desk.ask_next() is not None
        house.now_ms += 1_000
    assert 15 <= asked <= 25
