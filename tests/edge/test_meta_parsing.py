"""What each recorded webhook says, and that nothing one of them holds can hurt the rest."""

import random
from typing import Any

import msgspec
import pytest

from adapters.meta.news import (
    AccountAlert,
    AccountChanged,
    AccountJudged,
    Inbound,
    LimitChanged,
    Notice,
    NumberError,
    NumberNameJudged,
    NumberQualityChanged,
    Parsed,
    Person,
    PersonChanged,
    Preference,
    Restriction,
    Status,
    Template,
    TemplateCategoryChanged,
    TemplateEdited,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from adapters.meta.notices import status_after
from adapters.meta.parsing import parse
from engine.model import DeliveryStatus, SenderId, TemplateStatus, WabaId
from tests.edge.meta_graph import RECORDED, recorded

WABA, SENDER = WabaId("102290129340398"), SenderId("106540352242922")
WAMID = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUFERjg0NDEzNDdFODU3MUMxMAA="
ASKED = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTA2NTUwRkNEMDdFQjJCRUU0NQA="
ANNA = Person("16505551234")
PRICE = {"pricing_type": "regular", "pricing_category": "marketing", "pricing_model": "PMP"}
CART = Template(waba=WABA, name="abandoned_cart", language="en", id="1689556908129835")
WELCOME = Template(waba=WABA, name="welcome_template", language="en_US", id="278077987957091")
AT_MS = 1_751_247_548_000


def a_status(**changes: Any) -> Status:
    fixed: dict[str, Any] = {"waba": WABA, "sender": SENDER, "wamid": WAMID, "person": ANNA}
    return Status(**(fixed | changes))


def an_inbound(kind: str, **changes: Any) -> Inbound:
    fixed: dict[str, Any] = {
        "waba": WABA,
        "sender": SENDER,
        "wamid": ASKED,
        "person": ANNA,
        "at_ms": 1_750_016_800_000,
        "opens_window": True,
    }
    return Inbound(kind=kind, **(fixed | changes))


STATUSES = {
    "status_sent": a_status(
        status="sent",
        at_ms=1_750_030_073_000,
        opaque="1.3.17.1.382062797465732e.9a3f1f9ca55c74ca",
        billable=True,
        conversation="72b14d6bd5407799e66f64d1b338e567",
        conversation_origin="marketing",
        conversation_ends_at_ms=1_750_116_480_000,
        **PRICE,
    ),
    "status_delivered": a_status(
        status="delivered", at_ms=1_750_030_075_000, billable=True, **PRICE
    ),
    "status_read": a_status(status="read", at_ms=1_750_030_110_000),
    "status_in_window": a_status(
        status="sent",
        at_ms=1_750_030_073_000,
        billable=False,
        pricing_type="free_customer_service",
        pricing_category="utility",
        pricing_model="PMP",
    ),
    "status_failed": a_status(
        wamid="wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI4QUQ2MjA4NEYyRkExNjMyREUA",
        status="failed",
        at_ms=1_751_142_888_000,
        code=131049,
        reason="In order to maintain a healthy ecosystem engagement, the message failed to be "
        "delivered.",
    ),
    "status_user_id": a_status(
        status="delivered",
        at_ms=1_750_030_075_000,
        billable=True,
        person=Person("", "US.13491208655302741918"),
        **PRICE,
    ),
    "status_group": a_status(
        status="read",
        at_ms=1_750_030_110_000,
        person=Person("Y2FwaV9ncm91cDo"),
        recipient_type="group",
        participant="16505551234",
    ),
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
    "limit_not_set": LimitChanged(waba=WABA, places=None, at_ms=1_739_321_024_000),
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
        waba=WABA, event="DISABLED_UPDATE", ban_state="DISABLE", at_ms=1_641_330_498_000
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
        at_ms=1_745_612_159_000,
    ),
}


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
def test_a_status_is_read_whole(name: str, status: Status) -> None:
    parsed = parse(recorded(name))
    assert parsed.statuses == [status]
    assert (parsed.malformed, parsed.unknown) == (0, 0)


@pytest.mark.parametrize(("name", "inbound"), INBOUND.items())
def test_an_inbound_tells_who_and_when(name: str, inbound: Inbound) -> None:
    parsed = parse(recorded(name))
    assert parsed.inbound == [inbound]
    assert (parsed.errors, parsed.malformed, parsed.unknown) == ([], 0, 0)


@pytest.mark.parametrize(("name", "notice"), NOTICES.items())
def test_a_notice_is_a_small_value(name: str, notice: Notice) -> None:
    assert parse(recorded(name)) == Parsed(notices=[notice])


def test_a_preference_tells_who_stopped() -> None:
    preference = Preference(
        waba=WABA,
        sender=SENDER,
        person=ANNA,
        category="marketing_messages",
        value="stop",
        at_ms=1_731_705_721_000,
    )
    assert parse(recorded("preference_stop")) == Parsed(preferences=[preference])


def test_an_error_of_a_number_names_no_message() -> None:
    [error] = parse(recorded("number_error")).errors
    assert error == NumberError(waba=WABA, sender=SENDER, code=130429, reason=error.reason)
    assert error.reason.startswith("Message failed to send")


def test_contacts_with_both_ids_are_evidence_of_one_person() -> None:
    person = Person("972987654321", "US.13491208655302741918", "US.ENT.11815799212886844830")
    assert parse(recorded("status_user_id")).people == [person]
    assert parse(recorded("inbound_text")).people == []


def test_a_changed_number_or_user_id_is_told() -> None:
    [number] = parse(recorded("system_number_changed")).changed
    assert (number.before, number.after) == (ANNA, Person("12195555358"))
    [user_id] = parse(recorded("system_user_id_changed")).changed
    assert isinstance(user_id, PersonChanged)
    assert (user_id.before, user_id.after) == (Person("", "US.1"), Person("16505551234", "US.2"))
    assert parse(recorded("system_identity_changed")).changed == []


def test_what_we_have_no_use_for_is_counted() -> None:
    assert parse(recorded("security")) == Parsed(unknown=1)


@pytest.mark.parametrize(
    ("word", "delivery"),
    [
        ("sent", DeliveryStatus.SENT),
        ("delivered", DeliveryStatus.DELIVERED),
        ("read", DeliveryStatus.READ),
        ("played", DeliveryStatus.READ),
        ("failed", DeliveryStatus.UNDELIVERED),
        ("deleted", DeliveryStatus.NONE),
        ("brand_new", DeliveryStatus.NONE),
    ],
)
def test_a_word_is_evidence_or_none(word: str, delivery: DeliveryStatus) -> None:
    assert a_status(status=word, at_ms=0).delivery is delivery


def test_only_a_free_service_message_is_not_counted() -> None:
    assert parse(recorded("status_sent")).statuses[0].counted
    assert not parse(recorded("status_in_window")).statuses[0].counted


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


# --- hostile and broken ---------------------------------------------------------------------------


def _body(statuses: bytes = b"[]", more: bytes = b"", field: bytes = b"messages") -> bytes:
    value = b'{"metadata":{"phone_number_id":"1"},"statuses":%s%s}' % (statuses, more)
    return b'{"entry":[{"id":"2","changes":[{"field":"%s","value":%s}]}]}' % (field, value)


GOOD = b'{"id":"w","status":"sent","timestamp":"1750030073"}'


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"7", id="a number"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="empty"),
        pytest.param(b'{"id":"","status":"sent"}', id="no id"),
        pytest.param(b'{"id":"x","status":[]}', id="odd status"),
        pytest.param(b'{"id":"\xff","status":"sent"}', id="no UTF-8"),
        pytest.param(b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", id="nested"),
    ],
)
def test_one_bad_item_leaves_the_rest(bad: bytes) -> None:
    parsed = parse(_body(b"[%s,%s,%s]" % (GOOD, bad, GOOD)))
    assert [status.wamid for status in parsed.statuses] == ["w", "w"]
    assert parsed.malformed == 1


@pytest.mark.parametrize(
    "more",
    [
        b'"pricing":7',
        b'"errors":{}',
        b'"conversation":"x"',
        b'"recipient_user_id":7',
        b'"errors":[{"code":"many"}]',
        b'"pricing":{"type":"\\ud800"}',
        b'"pricing":{"type":"\\\\\\udc00x"}',
    ],
)
def test_an_odd_part_does_not_lose_the_delivery(more: bytes) -> None:
    parsed = parse(_body(b'[{"id":"w","status":"delivered","timestamp":1,%s}]' % more))
    assert [status.delivery for status in parsed.statuses] == [DeliveryStatus.DELIVERED]
    assert parsed.malformed == 1


def test_half_a_character_anywhere_leaves_everything_readable() -> None:
    cut = b',"contacts":[{"profile":{"name":"cut \\ud83d"},"wa_id":"1","user_id":"\\\\ud83d\\ud83d\\ude00"}]'
    parsed = parse(_body(b"[%s]" % GOOD, cut))
    assert len(parsed.statuses) == 1
    assert parsed.people == [Person("1", "\\ud83d\U0001f600")]
    assert parsed.malformed == 1


@pytest.mark.parametrize(
    "more", [b',"contacts":7', b',"metadata":[]', b',"messages":"x"', b',"errors":{"a":1}']
)
def test_an_odd_list_does_not_lose_the_others(more: bytes) -> None:
    assert len(parse(_body(b"[%s]" % GOOD, more)).statuses) == 1


@pytest.mark.parametrize(
    ("moment", "at_ms"),
    [
        (b'"1750030073"', 1_750_030_073_000),
        (b"1750030073", 1_750_030_073_000),
        (b"-1", 0),
        (b"null", 0),
        (b'"soon"', 0),
        (b'"' + b"9" * 5_000 + b'"', 0),
        (b"99999999999999999999999", 0),
        (b'"\xd9\xa3"', 0),
    ],
)
def test_an_odd_moment_is_no_moment(moment: bytes, at_ms: int) -> None:
    [status] = parse(_body(b'[{"id":"w","status":"sent","timestamp":%s}]' % moment)).statuses
    assert status.at_ms == at_ms


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"entry":' + b"[" * 100_000, id="deep entry"),
        pytest.param(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="deep unknown"),
        pytest.param(b'{"entry":[NaN]}', id="NaN"),
        pytest.param(b"\xef\xbb\xbf{}", id="BOM"),
        pytest.param('{"entry":[]}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"entry":[]}' + b" " * 4_194_304, id="too large"),
        pytest.param(b'{"entry":' + b"9" * 5_000 + b"}", id="5,000 digits"),
    ],
)
def test_what_is_no_webhook_is_one_malformed_item(body: bytes) -> None:
    assert parse(body) == Parsed(malformed=1)


@pytest.mark.parametrize("seed", range(20))
def test_no_damage_to_a_recorded_body_raises(seed: int) -> None:
    rng = random.Random(seed)
    for path in sorted(RECORDED.glob("*.json")):
        body = bytearray(path.read_bytes())
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(body))
            body[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        parse(bytes(body))


def test_a_thousand_updates_in_one_body_are_all_read() -> None:
    parsed = parse(_body(b"[%s]" % b",".join([GOOD] * 1_000)))
    assert len(parsed.statuses) == 1_000
