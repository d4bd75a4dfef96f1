"""News of a template in any order, and when it may be edited."""

from dataclasses import replace

import pytest

from engine.directory import Template, TemplateDraft
from engine.model import Category, TemplateStatus, WabaId
from engine.quota import DAY_MS
from engine.template_life import (
    MONTH_MS,
    edited,
    heard_category,
    heard_edit,
    heard_quality,
    heard_status,
    label_of,
    read_again,
    why_no_edit,
)
from engine.template_rules import SEED

NOW_MS = 1_780_000_000_000
HOUR_MS = 3_600_000
APPROVED, PENDING, PAUSED = (
    TemplateStatus.APPROVED,
    TemplateStatus.PENDING,
    TemplateStatus.PAUSED,
)


def a_template(**changes: object) -> Template:
    template = Template(
        waba_id=WabaId("w"),
        name="offer",
        language="en",
        category=Category.UTILITY,
        status=APPROVED,
        components=[{"type": "BODY", "text": "Hi"}],
        status_at_ms=NOW_MS,
    )
    return replace(template, **changes)  # type: ignore[arg-type]


def test_newer_news_counts_and_older_does_not() -> None:
    paused = heard_status(a_template(), PAUSED, NOW_MS + 1_000, NOW_MS + 1_500)
    assert (paused.status, paused.stale_since_ms) == (PAUSED, 0)
    late = heard_status(paused, APPROVED, NOW_MS - DAY_MS, NOW_MS + 2_000)
    assert late == paused


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
)
def test_any_order_ends_the_same_or_asks(order: tuple[int, ...]) -> None:
    news = [(PENDING, 120_000), (APPROVED, 240_000), (PAUSED, 360_000)]
    template = a_template()
    for place in order:
        status, after_ms = news[place]
        template = heard_status(template, status, NOW_MS + after_ms, NOW_MS + 400_000)
    assert (template.status, template.stale_since_ms) == (PAUSED, 0)


def test_news_of_one_second_that_differ_are_asked_about_and_nothing_opens() -> None:
    pending = a_template(status=PENDING)
    tie = heard_status(pending, APPROVED, NOW_MS, NOW_MS + 300)
    assert (tie.status, tie.stale_since_ms) == (PENDING, NOW_MS + 300)
    closing = heard_status(a_template(), PAUSED, NOW_MS, NOW_MS + 300)
    assert (closing.status, closing.stale_since_ms) == (PAUSED, NOW_MS + 300)


def test_news_a_little_older_than_ours_may_be_newer_for_clocks_differ() -> None:
    pending = a_template(status=PENDING)
    close = heard_status(pending, APPROVED, NOW_MS - 5_000, NOW_MS)
    assert (close.status, close.stale_since_ms) == (PENDING, NOW_MS)


def test_news_without_a_date_or_a_status_is_asked_about() -> None:
    undated = heard_status(a_template(), PAUSED, 0, NOW_MS)
    assert (undated.status, undated.stale_since_ms) == (TemplateStatus.UNKNOWN, NOW_MS)
    assert heard_status(a_template(), APPROVED, 0, NOW_MS) == a_template()
    opening = heard_status(a_template(status=PAUSED), APPROVED, 0, NOW_MS)
    assert (opening.status, opening.stale_since_ms) == (PAUSED, NOW_MS)
    flagged = heard_status(a_template(), None, NOW_MS, NOW_MS)
    assert (flagged.status, flagged.stale_since_ms) == (APPROVED, NOW_MS)


def test_an_unknown_status_forbids_and_asks() -> None:
    odd = heard_status(a_template(), TemplateStatus.UNKNOWN, NOW_MS + 1_000, NOW_MS)
    assert (odd.status, odd.stale_since_ms) == (TemplateStatus.UNKNOWN, NOW_MS)


def test_a_coming_category_is_remembered_until_it_came() -> None:
    coming = heard_category(a_template(), "UTILITY", "MARKETING", NOW_MS, NOW_MS)
    assert (coming.category, coming.coming_category) == (Category.UTILITY, "MARKETING")
    done = heard_category(coming, "MARKETING", "", NOW_MS + 1_000, NOW_MS)
    assert (done.category, done.coming_category) == (Category.MARKETING, "")
    assert heard_category(done, "UTILITY", "MARKETING", NOW_MS, NOW_MS) == done
    odd = heard_category(done, "SERVICE", "", NOW_MS + 2_000, NOW_MS)
    assert (odd.category, odd.stale_since_ms) == (Category.MARKETING, NOW_MS)


def test_a_quality_is_the_latest() -> None:
    red = heard_quality(a_template(), "RED", NOW_MS)
    assert heard_quality(red, "GREEN", NOW_MS - 1_000).quality == "RED"


def test_what_meta_tells_is_older_than_what_came_while_it_was_asked() -> None:
    known = heard_status(a_template(), PAUSED, NOW_MS + 5_000, NOW_MS + 5_000)
    read = a_template(status=APPROVED, quality="GREEN")
    again = read_again(known, read, NOW_MS + 2_000, NOW_MS + 6_000, before=None)
    assert (again.status, again.quality) == (PAUSED, "GREEN")
    assert again.stale_since_ms == NOW_MS + 6_000
    read = replace(read, status=PAUSED)
    settled = read_again(again, read, NOW_MS + 7_000, NOW_MS + 8_000, before=again)
    assert (settled.status, settled.stale_since_ms) == (PAUSED, 0)


def test_news_of_the_very_second_that_came_while_meta_was_asked_are_not_opened_by_it() -> None:
    before = a_template()
    paused = heard_status(before, PAUSED, NOW_MS + 1_000, NOW_MS + 1_950)
    again = read_again(paused, a_template(), NOW_MS + 1_900, NOW_MS + 2_500, before=before)
    assert (again.status, again.stale_since_ms) == (PAUSED, NOW_MS + 2_500)
    later = read_again(again, a_template(), NOW_MS + 2_600, NOW_MS + 2_700, before=again)
    assert (later.status, later.stale_since_ms) == (APPROVED, 0)


def test_news_that_were_known_before_meta_was_asked_are_older_than_its_answer() -> None:
    paused = heard_status(a_template(), PAUSED, NOW_MS + 1_000, NOW_MS + 1_200)
    again = read_again(paused, a_template(), NOW_MS + 1_900, NOW_MS + 2_500, before=paused)
    assert (again.status, again.stale_since_ms) == (APPROVED, 0)


def test_a_word_that_forbids_holds_against_one_that_came_meanwhile() -> None:
    before = a_template(status=PENDING)
    approved = heard_status(before, APPROVED, NOW_MS, NOW_MS + 600)
    approved = replace(approved, status=APPROVED, stale_since_ms=0)
    read = a_template(status=PAUSED)
    again = read_again(approved, read, NOW_MS + 500, NOW_MS + 900, before=before)
    assert (again.status, again.stale_since_ms) == (PAUSED, NOW_MS + 900)


def test_what_came_while_meta_was_asked_stays_whatever_its_date() -> None:
    before = a_template(status_at_ms=NOW_MS - DAY_MS)
    paused = heard_status(before, PAUSED, NOW_MS - 5_000, NOW_MS + 100)  # Meta's clock is behind
    again = read_again(paused, before, NOW_MS, NOW_MS + 300, before=before)
    assert (again.status, again.stale_since_ms) == (PAUSED, NOW_MS + 300)
    marketing = heard_category(before, "MARKETING", "", NOW_MS - 5_000, NOW_MS)
    again = read_again(marketing, before, NOW_MS, NOW_MS + 300, before=before)
    assert (again.category, again.stale_since_ms) == (Category.MARKETING, NOW_MS + 300)


def test_which_pause_it_is_stays_known_where_a_read_that_began_before_it_says_approved() -> None:
    before = a_template()
    paused = heard_status(before, PAUSED, NOW_MS + 1_000, NOW_MS + 1_950, "FIRST_PAUSE")
    again = read_again(paused, a_template(), NOW_MS + 900, NOW_MS + 2_500, before=before)
    assert (again.status, again.rejected_reason) == (PAUSED, "FIRST_PAUSE")
    read = a_template(status=PAUSED)
    settled = read_again(again, read, NOW_MS + 2_600, NOW_MS + 2_700, before=again)
    assert (settled.rejected_reason, settled.stale_since_ms) == ("FIRST_PAUSE", 0)


@pytest.mark.parametrize("known", [a_template(), a_template(status=PAUSED, rejected_reason="OLD")])
@pytest.mark.parametrize("late_ms", [0, DAY_MS])
def test_which_pause_it_is_is_taken_from_news_that_a_read_has_overtaken(
    known: Template, late_ms: int
) -> None:
    read = a_template(status=PAUSED)
    paused = read_again(known, read, NOW_MS + 5_900 + late_ms, NOW_MS + DAY_MS, before=known)
    assert (paused.status, paused.rejected_reason) == (PAUSED, known.rejected_reason)
    told = heard_status(paused, PAUSED, NOW_MS + 3_000, NOW_MS + DAY_MS, "SECOND_PAUSE")
    assert told == replace(paused, rejected_reason="SECOND_PAUSE", reason_at_ms=NOW_MS + 3_000)
    late = heard_status(told, PAUSED, NOW_MS + 1_000, NOW_MS + DAY_MS, "FIRST_PAUSE")
    assert late == told


def test_news_of_a_pause_that_was_over_tell_nothing_of_the_one_that_was_read() -> None:
    approved = a_template(status_at_ms=NOW_MS)
    read = a_template(status=PAUSED)
    paused = read_again(approved, read, NOW_MS + 5_900, NOW_MS + 6_000, before=approved)
    told = heard_status(paused, PAUSED, NOW_MS - 3 * HOUR_MS, NOW_MS + 7_000, "FIRST_PAUSE")
    assert told == paused
    behind = heard_status(paused, PAUSED, NOW_MS - 5_000, NOW_MS + 7_000, "SECOND_PAUSE")
    assert behind.rejected_reason == "SECOND_PAUSE"  # Meta's clock is behind


def test_a_question_that_came_while_meta_was_asked_stays_open() -> None:
    before = a_template(stale_since_ms=NOW_MS - 5_000)
    doubted = heard_edit(before, NOW_MS + 100)
    again = read_again(doubted, a_template(), NOW_MS, NOW_MS + 300, before=before)
    assert (again.status, again.stale_since_ms) == (APPROVED, NOW_MS + 100)
    settled = read_again(again, a_template(), NOW_MS + 400, NOW_MS + 500, before=again)
    assert settled.stale_since_ms == 0


def test_of_a_category_and_another_that_came_meanwhile_the_stricter_holds() -> None:
    authentication = a_template(category=Category.AUTHENTICATION)
    utility, marketing = (
        a_template(category=category, category_at_ms=NOW_MS)
        for category in (Category.UTILITY, Category.MARKETING)
    )
    for known, read in ((utility, marketing), (marketing, utility)):
        again = read_again(known, read, NOW_MS + 100, NOW_MS + 300, before=authentication)
        assert (again.category, again.stale_since_ms) == (Category.MARKETING, NOW_MS + 300)


def test_reading_keeps_what_only_we_know() -> None:
    draft = TemplateDraft(Category.UTILITY, [{"type": "BODY", "text": "Ho"}])
    known = a_template(draft=draft, edited_at_ms=(NOW_MS,))
    again = read_again(known, a_template(), NOW_MS, NOW_MS, before=known)
    assert (again.draft, again.edited_at_ms) == (draft, (NOW_MS,))


def test_a_reading_keeps_which_pause_it_is_for_only_news_tell_that() -> None:
    paused = a_template(status=PAUSED, rejected_reason="FIRST_PAUSE")
    again = read_again(paused, a_template(status=PAUSED), NOW_MS, NOW_MS, before=paused)
    assert again.rejected_reason == "FIRST_PAUSE"
    opened = read_again(paused, a_template(), NOW_MS, NOW_MS, before=paused)
    assert (opened.status, opened.rejected_reason) == (APPROVED, "")


def test_a_draft_that_meta_has_by_now_was_submitted_whose_answer_was_lost() -> None:
    draft = TemplateDraft(Category.UTILITY, [{"type": "BODY", "text": "Ho"}])
    known = a_template(draft=draft, edited_at_ms=(NOW_MS - 2 * DAY_MS,))
    read = a_template(components=draft.components, status=PENDING)
    again = read_again(known, read, NOW_MS, NOW_MS + 9, before=known)
    assert (again.draft, again.edited_at_ms) == (None, (NOW_MS - 2 * DAY_MS, NOW_MS))
    made = a_template(status=TemplateStatus.DRAFT, components=draft.components, draft=draft)
    again = read_again(made, read, NOW_MS, NOW_MS, before=made)
    assert (again.status, again.draft, again.edited_at_ms) == (PENDING, None, ())
    same = a_template(draft=TemplateDraft(Category.UTILITY, a_template().components))
    again = read_again(same, a_template(), NOW_MS, NOW_MS, before=same)
    assert (again.draft, again.edited_at_ms) == (same.draft, ())  # nobody submitted that


def test_an_edit_is_in_review_with_its_new_words() -> None:
    draft = TemplateDraft(Category.UTILITY, [{"type": "BODY", "text": "Ho"}])
    old = NOW_MS - MONTH_MS - 1
    after = edited(a_template(draft=draft, edited_at_ms=(old, NOW_MS - DAY_MS)), NOW_MS + 1)
    assert (after.status, after.components, after.draft) == (PENDING, draft.components, None)
    assert after.edited_at_ms == (NOW_MS - DAY_MS, NOW_MS + 1)
    assert after.stale_since_ms == NOW_MS + 1  # Meta may have let it pass without a word


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"edited_at_ms": (NOW_MS - DAY_MS,)}, None),
        ({"edited_at_ms": (NOW_MS - DAY_MS + 1,)}, "edited_too_often"),
        (
            {"edited_at_ms": tuple(NOW_MS - MONTH_MS + DAY_MS * (2 * n + 1) for n in range(10))},
            "edited_too_often",
        ),
        ({"status": PENDING}, "in_review"),
        ({"status": TemplateStatus.DISABLED}, "not_editable"),
        ({"status": PAUSED, "edited_at_ms": (NOW_MS,)}, None),
        ({"category": Category.MARKETING}, "category_fixed"),
        ({"category": Category.MARKETING, "status": TemplateStatus.REJECTED}, None),
    ],
)
def test_when_an_edit_may_be_tried(changes: dict[str, object], code: str | None) -> None:
    objection = why_no_edit(a_template(**changes), Category.UTILITY, NOW_MS)
    assert (objection and objection.code) == code


def test_the_objection_says_from_when() -> None:
    daily = why_no_edit(a_template(edited_at_ms=(NOW_MS,)), Category.UTILITY, NOW_MS)
    assert daily is not None
    assert daily.until_ms == NOW_MS + DAY_MS


def test_the_product_documents_count_the_edits_of_all_templates() -> None:
    rejected = a_template(status=TemplateStatus.REJECTED, edited_at_ms=(NOW_MS,))
    assert why_no_edit(rejected, Category.MARKETING, NOW_MS) is None
    objection = why_no_edit(rejected, Category.MARKETING, NOW_MS, SEED)
    assert (objection and objection.code) == "edited_too_often"


@pytest.mark.parametrize(
    ("status", "quality", "label"),
    [
        (APPROVED, "UNKNOWN", "Active - Quality pending"),
        (APPROVED, "GREEN", "Active - High quality"),
        (APPROVED, "YELLOW", "Active - Medium quality"),
        (APPROVED, "RED", "Active - Low quality"),
        (PENDING, "UNKNOWN", "In review"),
        (TemplateStatus.PENDING_DELETION, "UNKNOWN", "Pending deletion"),
    ],
)
def test_the_manager_s_words(status: TemplateStatus, quality: str, label: str) -> None:
    assert label_of(a_template(status=status, quality=quality)) == label
