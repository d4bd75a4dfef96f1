"""Broken and hostile webhooks: one bad item never costs another, and nothing raises."""

import random

import pytest

from adapters.meta.folding import seen_in
from adapters.meta.news import Parsed, Person
from adapters.meta.parsing import parse
from engine.receipts import StatusSeen
from tests.edge.meta_graph import RECORDED


def _body(statuses: bytes = b"[]", more: bytes = b"", field: bytes = b"messages") -> bytes:
    value = b'{"metadata":{"phone_number_id":"1"},"statuses":%s%s}' % (statuses, more)
    return b'{"entry":[{"id":"2","changes":[{"field":"%s","value":%s}]}]}' % (field, value)


def seen(parsed: Parsed) -> list[StatusSeen]:
    """Return all statuses as the engine takes them."""
    return [status for told in parsed.told for status in seen_in(told)]


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
    assert [status.wamid for status in seen(parsed)] == ["w", "w"]
    assert parsed.malformed == 1


@pytest.mark.parametrize(
    "more",
    [
        b'"pricing":7',
        b'"errors":{}',
        b'"recipient_user_id":7',
        b'"errors":[{"code":"many"}]',
        b'"pricing":{"type":"\\ud800"}',
        b'"pricing":{"type":"\\\\\\udc00x"}',
    ],
)
def test_an_odd_part_does_not_lose_the_delivery(more: bytes) -> None:
    parsed = parse(_body(b'[{"id":"w","status":"delivered","timestamp":1,%s}]' % more))
    assert [status.status for status in seen(parsed)] == ["delivered"]
    assert parsed.malformed == 1


def test_half_a_character_anywhere_leaves_everything_readable() -> None:
    person = b'{"profile":{"name":"cut \\ud83d"},"wa_id":"1","user_id":"\\\\ud83d\\ud83d\\ude00"}'
    cut = b',"contacts":[%s]' % person
    parsed = parse(_body(b"[%s]" % GOOD, cut))
    assert len(seen(parsed)) == 1
    assert [each.person for each in parsed.people] == [Person("1", "\\ud83d\U0001f600")]
    assert parsed.malformed == 1


@pytest.mark.parametrize(
    "more", [b',"contacts":7', b',"metadata":[]', b',"messages":"x"', b',"errors":{"a":1}']
)
def test_an_odd_list_does_not_lose_the_others(more: bytes) -> None:
    assert len(seen(parse(_body(b"[%s]" % GOOD, more)))) == 1


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
    [status] = seen(parse(_body(b'[{"id":"w","status":"sent","timestamp":%s}]' % moment)))
    assert status.at_s * 1_000 == at_ms


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
    assert parse(body) == Parsed(malformed=1, results={("other", "malformed"): 1})


@pytest.mark.parametrize("seed", range(20))
def test_no_damage_to_a_recorded_body_raises(seed: int) -> None:
    rng = random.Random(seed)
    for path in sorted(RECORDED.glob("*.json")):
        body = bytearray(path.read_bytes())
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(body))
            body[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        parse(bytes(body))


def test_a_change_with_something_odd_says_the_same_as_one_without() -> None:
    """What is read in one go and what is read item by item is one and the same."""
    full = GOOD[:-1] + (
        b',"recipient_id":"49151","biz_opaque_callback_data":"1.2","recipient_type":"group",'
        b'"pricing":{"type":"free_customer_service","billable":false,"new":1},"errors":'
        b'[{"code":131026,"title":"t","error_data":{"details":"d"}}],"conversation":{"id":"c"}}'
    )
    people = b',"contacts":[{"wa_id":"49151","user_id":"DE.1"}]'
    good = parse(_body(b"[%s,%s]" % (GOOD, full), people))
    odd = parse(_body(b"[%s,7,%s]" % (GOOD, full), people))
    assert (good.malformed, odd.malformed) == (0, 1)
    assert seen(good) == seen(odd)
    assert good.failures == odd.failures != []
    assert good.people == odd.people != []
    assert good.results["messages", "folded"] == odd.results["messages", "folded"] == 2


def test_a_thousand_updates_in_one_body_are_all_read() -> None:
    parsed = parse(_body(b"[%s]" % b",".join([GOOD] * 1_000)))
    assert len(seen(parsed)) == 1_000
