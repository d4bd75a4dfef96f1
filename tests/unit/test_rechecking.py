"""What was made for other words of its template is looked at before it is written."""

import json
from dataclasses import replace

import pytest

from engine.contents import whole_for
from engine.countries import UNITED_STATES, CountryRules
from engine.directory import Campaign, Directory, Sender, Template
from engine.model import (
    Category,
    Lane,
    PortfolioId,
    Priority,
    SenderId,
    TemplateStatus,
    WabaId,
)
from engine.outcomes import Dropped, Outcome, Suppressed
from engine.ports import Claimed
from engine.rechecking import HEARD_MS, Rechecks
from tests.builders import a_claimed
from tests.virtual_time import START_MS

P, KEY = PortfolioId("p"), "w/offer/en"
GERMAN, AMERICAN, CANADIAN = "+4915112345678", "+16505551234", "+14165551234"


def a_template(text: str = "Hi {{1}}.", **changes: object) -> Template:
    components: list[dict[str, object]] = [{"type": "BODY", "text": text}]
    status = TemplateStatus.APPROVED
    template = Template(WabaId("w"), "offer", "en", Category.UTILITY, status, components)
    named: dict[str, object] = {"version": 2, "changed_at_ms": START_MS}
    return replace(template, **(named | changes))  # type: ignore[arg-type]


def a_message(*texts: str) -> dict[str, object]:
    parameters = [{"type": "text", "text": text} for text in texts]
    body = {"type": "body", "parameters": parameters}
    named = {"name": "offer", "language": {"code": "en"}, "components": [body]}
    return {"type": "template", "template": named}


def whole(*texts: str, version: int, to: str = GERMAN) -> Claimed:
    """A journey's job, checked for a version of the template."""
    tail = to.encode() + b"\x1f" + json.dumps(a_message(*texts)).encode()
    lane = Lane("journey:j", SenderId("1"), KEY, Priority.UTILITY)
    return a_claimed(lane=lane, tail=tail, content=whole_for(version))


def row(*values: str, to: str = GERMAN) -> Claimed:
    """A campaign's row."""
    tail = "\x1f".join((to, *values)).encode()
    lane = Lane("campaign:c", SenderId("1"), KEY, Priority.UTILITY)
    return a_claimed(lane=lane, tail=tail, content=1)


def look(job: Claimed, template: Template, *, created_at_ms: int = 0) -> Outcome | None:
    """Return what becomes of a job, with that template."""
    directory = a_directory(template, created_at_ms)
    return Rechecks(directory, CountryRules([UNITED_STATES])).objection(job)


def a_directory(template: Template, created_at_ms: int = 0) -> Directory:
    """Return one of one campaign with that template."""
    directory = Directory()
    directory.senders["1"] = Sender(SenderId("1"), P, WabaId("w"), "+1")
    directory.templates[KEY] = template
    directory.campaigns["c"] = Campaign(
        id="c",
        name="c",
        portfolio_id=P,
        senders=(SenderId("1"),),
        message=a_message("{{name}}"),
        fields=("name",),
        templates=(KEY,),
        category=template.category,
        priority=Priority.UTILITY,
        content=1,
        created_at_ms=created_at_ms,
    )
    return directory


@pytest.mark.parametrize("version", [0, 1])
def test_a_job_of_other_words_that_no_longer_fits_ends_with_the_field(version: int) -> None:
    outcome = look(whole("Ada", version=version), a_template("Hi {{1}}, it is {{2}}."))
    assert isinstance(outcome, Dropped)
    assert (outcome.code, outcome.field) == (132000, "/message/template/components/0")
    assert "2 variables" in outcome.reason


def test_one_that_still_fits_goes() -> None:
    assert look(whole("Ada", version=1), a_template("Hello {{1}}!")) is None


@pytest.mark.parametrize(("left", "code"), [(3, None), (2, 132005)])
def test_what_became_too_long_with_the_new_words_ends(left: int, code: int | None) -> None:
    outcome = look(whole("Ada", version=1), a_template("x" * (1_024 - left) + "{{1}}"))
    assert (outcome.code if isinstance(outcome, Dropped) else None) == code


def test_one_that_was_checked_for_these_words_is_not_looked_at() -> None:
    job = whole("Ada", version=2)
    job.tail = b"+49\x1fno JSON at all"
    assert look(job, a_template()) is None


def test_a_template_that_never_changed_costs_no_look() -> None:
    job = whole("Ada", version=0)
    job.tail = b"+49\x1fno JSON at all"
    assert look(job, a_template(version=0)) is None
    free_form = replace(job, lane=replace(job.lane, template=""))
    assert look(free_form, a_template()) is None


@pytest.mark.parametrize(
    ("to", "category", "is_let"),
    [
        (AMERICAN, Category.MARKETING, False),
        (AMERICAN, Category.UTILITY, True),
        (CANADIAN, Category.MARKETING, True),
        (GERMAN, Category.MARKETING, True),
    ],
)
@pytest.mark.parametrize("is_row", [True, False])
def test_what_became_marketing_goes_to_nobody_in_the_united_states(
    to: str, category: Category, *, is_let: bool, is_row: bool
) -> None:
    job = row("Ada", to=to) if is_row else whole("Ada", version=1, to=to)
    outcome = look(job, a_template(category=category))
    assert (outcome.code if isinstance(outcome, Suppressed) else None) == (
        None if is_let else 131049
    )


def test_a_row_that_became_too_long_names_its_field() -> None:
    outcome = look(row("Ada"), a_template("x" * 1_022 + "{{1}}"))
    assert isinstance(outcome, Dropped)
    assert (outcome.code, outcome.field) == (132005, "/fields/name")
    assert look(row("Al"), a_template("x" * 1_022 + "{{1}}")) is None


def test_rows_of_a_campaign_that_is_younger_than_the_change_were_checked_at_the_door() -> None:
    template = a_template("x" * 1_022 + "{{1}}")
    assert look(row("Ada"), template, created_at_ms=START_MS + HEARD_MS) is not None
    assert look(row("Ada"), template, created_at_ms=START_MS + HEARD_MS + 1) is None


def test_a_row_with_other_fields_is_left_to_whoever_renders_it() -> None:
    assert look(row("Ada", "Lovelace"), a_template()) is None


def test_what_is_known_of_campaigns_that_come_and_go_does_not_add_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.rechecking.SHEETS_MAX", 3)
    directory = a_directory(a_template())
    rechecks = Rechecks(directory, CountryRules([UNITED_STATES]))
    for number in range(10):
        name = f"c{number}"
        directory.campaigns[name] = replace(directory.campaigns["c"], id=name)
        job = row("Ada")
        job.lane = replace(job.lane, source=f"campaign:{name}")
        assert rechecks.objection(job) is None
    assert 0 < len(rechecks._sheets) <= 3
