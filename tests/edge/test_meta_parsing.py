"""What each recorded webhook says, and that nothing one of them holds can hurt the rest."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from adapters.meta.folding import seen_in
from adapters.meta.news import (
    AccountAlert,
    AccountChanged,
    AccountJudged,
    Failure,
    Inbound,
    KnownAs,
    LimitChanged,
    Notice,
    NumberError,
    NumberNameJudged,
    NumberQualityChanged,
    NumberSecurity,
    Parsed,
    Person,
    PersonChanged,
    Preference,
    Restriction,
    Template,
    TemplateCategoryChanged,
    TemplateEdited,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from adapters.meta.notices import status_after
from adapters.meta.parsing import parse
from engine.model import SenderId, TemplateStatus, WabaId
from engine.receipts import StatusSeen
from tests.edge.meta_graph import recorded

WABA, SENDER = WabaId("102290129340398"), SenderId("106540352242922")
WAMID = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUFERjg0NDEzNDdFODU3MUMxMAA="
ASKED = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTA2NTUwRkNEMDdFQjJCRUU0NQA="
ANNA = Person("16505551234")
CART = Template(waba=WABA, name="abandoned_cart", language="en", id="1689556908129835")
WELCOME = Template(waba=WABA, name="welcome_template", language="en_US", id="278077987957091")
AT_MS = 1_751_247_548_000


def a_status(status: str, at_s: int, to: str = ANNA.digits, **more: Any) -> StatusSeen:  # noqa: ANN401
    return StatusSeen(SENDER, WAMID, status, at_s, to, **more)


def an_inbound(kind: str, **changes: object) -> Inbound:
    inbound = Inbound(
        waba=WABA,
        sender=SENDER,
        wamid=ASKED,
        person=ANNA,
        at_ms=1_750_016_800_000,
        kind=kind,
        opens_window=True,
    )
    return msgspec.structs.replace(inbound, **changes)


STATUSES = {
    "status_sent": a_status(
        "sent", 1_750_030_073, opaque="1.3.17.1.382062797465732e.9a3f1f9ca55c74ca"
    ),
    "status_delivered": a_status("delivered", 1_750_030_075),
    "status_read": a_status("read", 1_750_030_110),
    "status_in_window": a_status("sent", 1_750_030_073, pricing_free=True),
    "status_failed": a_status("failed", 1_751_142_888, code=131049),
    "status_user_id": a_status("delivered", 1_750_030_075, "US.13491208655302741918"),
    "status_group": a_status("read", 1_750_030_110, "Y2FwaV9ncm91cDo", is_group=True),
}
INBOUND = {
    "inbound_text": an_inbound("text"),
    "inbound_button": an_inbound("button"),
    "inbound_interactive": an_inbound("interactive"),
    "inbound_unsupported": an_inbound("unsupported"),
    "inbound_user_id": an_inbound("text", person=Person("", "US.13491208655302741918")),
    "system_number_changed": an_inbound("system", opens_window=False),
    "system_user_id_changed": an_inbound(
        "system", person=Person("16505551234", "US.2"), opens_window=False
    ),
    "system_identity_changed": an_inbound("system", opens_window=False),
    "call": an_inbound("call", wamid="wacid.ABGGFjFVU2AfAgo6V"),
}
NOTICES: dict[str, Notice] = {
    "template_rejected": TemplateStatusChanged(
        template=CART,
        event="REJECTED",
        status=TemplateStatus.REJECTED,
        reason="INVALID_FORMAT",
        at_ms=AT_MS,
    ),
    "template_approved": TemplateStatusChanged(
        template=msgspec.structs.replace(CART, language="en_US"),
        event="APPROVED",
        status=TemplateStatus.APPROVED,
        reason="NONE",
        at_ms=AT_MS,
    ),
    "template_paused": TemplateStatusChanged(
        template=CART,
        event="PAUSED",
        status=TemplateStatus.PAUSED,
        title="FIRST_PAUSE",
        at_ms=AT_MS,
    ),
    "template_unpaused": TemplateStatusChanged(
        template=CART, event="PAUSED", status=None, title="UNPAUSE", at_ms=AT_MS
    ),
    "template_quality_under_status": TemplateQualityChanged(
        template=msgspec.structs.replace(WELCOME, id="806312974732579"),
        quality="YELLOW",
        at_ms=1_674_864_290_000,
    ),
    "template_category_notice": TemplateCategoryChanged(
        template=WELCOME, current="UTILITY", coming="MARKETING", at_ms=AT_MS
    ),
    "template_category_done": TemplateCategoryChanged(
        template=WELCOME, current="MARKETING", at_ms=AT_MS
    ),
    "template_edited": TemplateEdited(template=CART, at_ms=AT_MS),
    "limit": LimitChanged(waba=WABA, places=2_000, at_ms=1_739_321_024_000),
    "limit_unlimited": LimitChanged(waba=WABA, places=-1, at_ms=1_739_321_024_000),
    "limit_not_set": LimitChanged(
        waba=WABA, places=None, word="TIER_NOT_SET", at_ms=1_739_321_024_000
    ),
    "number_throughput": NumberQualityChanged(
        waba=WABA,
        display_phone_number="15550783881",
        event="THROUGHPUT_UPGRADE",
        places=-1,
        at_ms=1_748_454_394_000,
    ),
    "number_name": NumberNameJudged(
        waba=WABA, display_phone_number="15550783881", decision="APPROVED", at_ms=AT_MS
    ),
    "account_restricted": AccountChanged(
        waba=WABA,
        event="ACCOUNT_RESTRICTION",
        restrictions=(
            Restriction("RESTRICTED_BIZ_INITIATED_MESSAGING", 1_641_330_498_000),
            Restriction("RESTRICTED_ADD_PHONE_NUMBER_ACTION", 1_641_330_498_000),
        ),
        at_ms=1_641_330_498_000,
    ),
    "account_disabled": AccountChanged(
        waba=WABA,
        event="DISABLED_UPDATE",
        ban_state="DISABLE",
        ban_date="April 17, 2025",
        at_ms=1_641_330_498_000,
    ),
    "account_violation": AccountChanged(
        waba=WABA, event="ACCOUNT_VIOLATION", violation="ADULT", at_ms=1_641_330_498_000
    ),
    "account_review": AccountJudged(waba=WABA, decision="APPROVED", at_ms=AT_MS),
    "account_alert": AccountAlert(
        waba=WABA,
        entity_type="BUSINESS",
        entity_id="506914307656634",
        kind="INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED",
        severity="WARNING",
        state="ACTIVE",
        at_ms=1_745_612_159_000,
    ),
    "security": NumberSecurity(
        waba=WABA, display_phone_number="15550783881", event="PIN_RESET_REQUEST", at_ms=AT_MS
    ),
}


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
def test_a_status_is_read_whole(name: str, status: StatusSeen) -> None:
    parsed = parse(recorded(name))
    [seen] = [each for told in parsed.told for each in seen_in(told)]
    assert replace(seen, wamid=WAMID) == status
    assert seen.wamid.startswith("wamid.")
    assert (parsed.malformed, parsed.unknown) == (0, 0)


@pytest.mark.parametrize(("name", "inbound"), INBOUND.items())
def test_an_inbound_tells_who_and_when(name: str, inbound: Inbound) -> None:
    parsed = parse(recorded(name))
    assert parsed.inbound == [inbound]
    assert (parsed.errors, parsed.malformed, parsed.unknown) == ([], 0, 0)


@pytest.mark.parametrize(("name", "notice"), NOTICES.items())
def test_a_notice_is_a_small_value(name: str, notice: Notice) -> None:
    parsed = parse(recorded(name))
    assert parsed.notices == [notice]
    assert (parsed.unknown, parsed.malformed) == (0, 0)
    [((_, result), times)] = parsed.results.items()
    assert (result, times) == ("folded", 1)


def test_a_preference_tells_who_stopped() -> None:
    preference = Preference(
        waba=WABA,
        sender=SENDER,
        person=ANNA,
        category="marketing_messages",
        value="stop",
        at_ms=1_731_705_721_000,
    )
    assert parse(recorded("preference_stop")) == Parsed(
        preferences=[preference], results={("user_preferences", "folded"): 1}
    )


def test_why_a_message_failed_is_told_with_whom_it_did_not_reach() -> None:
    [failure] = parse(recorded("status_failed")).failures
    assert failure == Failure(
        waba=WABA, sender=SENDER, at_ms=1_751_142_888_000, person=ANNA, code=131049
    )
    assert parse(recorded("status_read")).failures == []


def test_an_error_of_a_number_names_no_message() -> None:
    [error] = parse(recorded("number_error")).errors
    assert error == NumberError(waba=WABA, sender=SENDER, code=130429)


def test_contacts_with_both_ids_are_evidence_of_one_person() -> None:
    person = Person("972987654321", "US.13491208655302741918")
    assert parse(recorded("status_user_id")).people == [KnownAs(SENDER, person)]
    assert parse(recorded("inbound_text")).people == []


def test_a_changed_number_or_user_id_is_told() -> None:
    [number] = parse(recorded("system_number_changed")).changed
    assert (number.before, number.after) == (ANNA, Person("12195555358"))
    [user_id] = parse(recorded("system_user_id_changed")).changed
    assert isinstance(user_id, PersonChanged)
    assert (user_id.before, user_id.after) == (Person("", "US.1"), Person("16505551234", "US.2"))
    assert parse(recorded("system_identity_changed")).changed == []


def test_what_we_have_no_use_for_is_counted_by_its_field() -> None:
    changes: list[object] = [
        {"field": field, "value": {"a": 1}} for field in ("flows", "flows", "standby")
    ]
    changes += [{"field": "messages", "value": {"calls": [{"id": "c", "direction": "BUSINESS"}]}}]
    parsed = parse(msgspec.json.encode({"entry": [{"id": WABA, "changes": changes}]}))
    assert parsed == Parsed(
        unknown=4, results={("other", "unknown"): 3, ("messages", "unknown"): 1}
    )


def test_how_many_numbers_may_be_registered_is_told_beside_the_limit() -> None:
    value = {"max_daily_conversations_per_business": 250, "max_phone_numbers_per_business": 2}
    change = {"field": "business_capability_update", "value": value}
    parsed = parse(msgspec.json.encode({"entry": [{"id": WABA, "changes": [change]}]}))
    assert parsed.notices == [LimitChanged(waba=WABA, places=250, numbers=2)]


def test_a_limit_of_each_number_as_older_webhooks_tell_it() -> None:
    value = {"max_daily_conversation_per_phone": "TIER_1K", "max_phone_numbers_per_business": -2}
    change = {"field": "business_capability_update", "value": value}
    parsed = parse(msgspec.json.encode({"entry": [{"id": WABA, "changes": [change]}]}))
    assert parsed.notices == [LimitChanged(waba=WABA, places=1_000)]


def test_a_bad_part_of_a_notice_costs_only_itself() -> None:
    lines = [
        {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1_641_330_498},
        {"restriction_type": ["?"]},
        "?",
    ]
    value = {"event": "ACCOUNT_RESTRICTION", "restriction_info": lines, "ban_info": 7}
    change = {"field": "account_update", "value": value}
    parsed = parse(msgspec.json.encode({"entry": [{"id": WABA, "changes": [change]}]}))
    [notice] = parsed.notices
    assert isinstance(notice, AccountChanged)
    assert notice.restricted_until_ms("RESTRICTED_BIZ_INITIATED_MESSAGING") == 1_641_330_498_000
    assert parsed.malformed == 3
    assert parsed.results == {("account_update", "malformed"): 3, ("account_update", "folded"): 1}


@pytest.mark.parametrize(
    ("event", "title", "status"),
    [
        ("reinstated", "", TemplateStatus.APPROVED),
        ("approved", "", TemplateStatus.APPROVED),
        ("paused", "RATE_LIMITING_PAUSE", TemplateStatus.PAUSED),
        ("UNARCHIVED", "", None),
        ("LOCKED", "", None),
        ("FLAGGED", "", None),
        ("LIMIT_EXCEEDED", "", None),
        ("DISABLED", "DISABLED", TemplateStatus.DISABLED),
        ("PENDING_DELETION", "", TemplateStatus.PENDING_DELETION),
        ("ARCHIVED", "", TemplateStatus.ARCHIVED),
        ("A_NEW_WORD", "", TemplateStatus.UNKNOWN),
    ],
)
def test_an_event_tells_the_status_or_that_it_must_be_fetched(
    event: str, title: str, status: TemplateStatus | None
) -> None:
    assert status_after(event, title) is status
