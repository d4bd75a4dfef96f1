"""Whether a message fits its template: length once filled in, media, URLs, cards, codes."""

from collections.abc import Sequence
from typing import Any

import pytest

from engine.model import Category
from engine.template_fit import Room, check_message, rooms_of, suffix_fields
from engine.templates import signature_of

URL = {"type": "URL", "text": "Open", "url": "https://a.example/{{1}}"}
FIXED = {"type": "URL", "text": "Open", "url": "https://a.example/"}
TEMPLATE: list[dict[str, Any]] = [
    {"type": "HEADER", "format": "TEXT", "text": "For {{1}}"},
    {"type": "BODY", "text": "Hi {{1}}, {{2}} and {{1}} again"},
    {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Stop"}, URL, FIXED]},
]


def texts(*values: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": value} for value in values]


def button(index: int, text: str) -> dict[str, Any]:
    return {"type": "button", "sub_type": "url", "index": index, "parameters": texts(text)}


def a_message(
    *body: str, header: str = "Ada", suffix: str = "x", more: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    components: list[dict[str, Any]] = [
        {"type": "header", "parameters": texts(header)},
        {"type": "body", "parameters": texts(*(body or ("Ada", "B")))},
        button(1, suffix),
    ]
    return {"components": components + (more or [])}


def found(
    message: dict[str, Any],
    template: Sequence[dict[str, Any]] | None = None,
    category: Category = Category.MARKETING,
) -> list[tuple[str, str]]:
    signature = signature_of(category, template or TEMPLATE)
    return [(each.pointer, each.code) for each in check_message(signature, message)]


def test_a_message_that_fits_has_nothing_wrong() -> None:
    assert found(a_message()) == []


def test_a_text_is_measured_as_a_person_gets_it() -> None:
    # "Hi , and  again" are 16 characters; {{1}} stands twice.
    assert found(a_message("x" * 500, "y" * 8)) == []
    assert found(a_message("x" * 500, "y" * 9)) == [("/template/components/1", "too_long")]
    assert found(a_message(header="x" * 56)) == []
    assert found(a_message(header="x" * 57)) == [("/template/components/0", "too_long")]


def test_a_campaign_s_placeholders_count_as_empty() -> None:
    long = a_message("{{first_name}}" * 70, "{{code}}", header="{{a_very_long_name}}" * 4)
    assert found(long) == []


@pytest.mark.parametrize(
    ("suffix", "code"),
    [
        ("a b", "not_in_url"),
        ('a"b', "not_in_url"),
        ("a%20b?c=d&e", None),
        ("x" * 1_024, None),
        ("a\nb", "forbidden_character"),
    ],
)
def test_a_suffix_is_a_part_of_a_url(suffix: str, code: str | None) -> None:
    place = "/template/components/2/parameters/0/text"
    assert found(a_message(suffix=suffix)) == ([(place, code)] if code else [])


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (button(2, "x"), ("/template/components/3", "button_parameter")),
        (button(3, "x"), ("/template/components/3/index", "unknown_button")),
        ({"type": "button", "index": "one"}, ("/template/components/3/index", "unknown_button")),
    ],
)
def test_a_button_that_takes_nothing_is_given_nothing(
    more: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert found(a_message(more=[more])) == [expected]


def test_a_quick_reply_may_carry_a_payload() -> None:
    payload = [{"type": "payload", "payload": "stop"}]
    reply = {"type": "button", "sub_type": "quick_reply", "index": "0", "parameters": payload}
    assert found(a_message(more=[reply])) == []


def test_a_name_where_variables_are_numbers_is_refused() -> None:
    named = [texts("a")[0] | {"parameter_name": "x"}, *texts("b")]
    message = a_message()
    message["components"][1]["parameters"] = named
    assert found(message) == [
        ("/template/components/1/parameters/0/parameter_name", "parameter_name")
    ]


@pytest.mark.parametrize(
    ("media", "code"),
    [
        ({"id": "1"}, None),
        ({"link": "https://a.example/i.png"}, None),
        ({"link": "{{picture}}"}, None),
        ({"id": "1", "link": "https://a.example/i.png"}, "missing"),
        ({"caption": "x"}, "missing"),
        ({"link": "a.example/i.png"}, "not_full_url"),
        ({"link": "https://a.example/i 1.png"}, "not_full_url"),
        ({"link": "http://[bad"}, "not_full_url"),
        ({"link": 7}, "wrong_type"),
        ({}, "wrong_type"),
    ],
)
def test_media_is_uploaded_or_linked(media: dict[str, Any], code: str | None) -> None:
    template: list[dict[str, Any]] = [
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "Hi"},
    ]
    header = {"type": "header", "parameters": [{"type": "image", "image": media}]}
    codes = [each for _, each in found({"components": [header]}, template)]
    assert codes == ([code] if code else [])


def test_a_location_has_both_coordinates() -> None:
    template: list[dict[str, Any]] = [
        {"type": "HEADER", "format": "LOCATION"},
        {"type": "BODY", "text": "Hi"},
    ]
    place = {"latitude": "37.4", "name": "Shop"}
    header = {"type": "header", "parameters": [{"type": "location", "location": place}]}
    assert found({"components": [header]}, template) == [
        ("/template/components/0/parameters/0/location/longitude", "missing")
    ]


def test_each_card_is_filled_in_as_its_own_message() -> None:
    card = {
        "components": [
            {"type": "HEADER", "format": "IMAGE"},
            {"type": "BODY", "text": "Card {{1}}."},
            {"type": "BUTTONS", "buttons": [URL]},
        ]
    }
    template: list[dict[str, Any]] = [
        {"type": "BODY", "text": "Hi"},
        {"type": "CAROUSEL", "cards": [card, card]},
    ]
    image = {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]}
    right = {"components": [image, {"type": "body", "parameters": texts("one")}, button(0, "x")]}
    long = {"components": [image, {"type": "body", "parameters": texts("x" * 160)}, button(0, "x")]}
    carousel = {"type": "carousel", "cards": [right, long]}
    assert found({"components": [carousel]}, template) == [
        ("/template/components/0/cards/1/components/1", "too_long")
    ]
    assert found({"components": [{"type": "carousel", "cards": [right]}]}, template) == [
        ("/template/components/0", "card_count")
    ]
    assert found({}, template) == [("/template/components", "card_count")]


def test_a_code_is_short_and_the_same_twice() -> None:
    template: list[dict[str, Any]] = [
        {"type": "BODY"},
        {"type": "BUTTONS", "buttons": [{"type": "OTP"}]},
    ]

    def a_code(body: str, copy: str) -> list[tuple[str, str]]:
        components = [{"type": "body", "parameters": texts(body)}, button(0, copy)]
        return found({"components": components}, template, Category.AUTHENTICATION)

    assert a_code("123456", "123456") == []
    assert a_code("123456", "654321") == [
        ("/template/components/1/parameters/0/text", "code_differs")
    ]
    assert a_code("1" * 16, "1" * 16) == [("/template/components/0", "too_long")]


def test_an_offer_that_ends_wants_to_know_when() -> None:
    offer = {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"has_expiration": True}}
    template: list[dict[str, Any]] = [offer, {"type": "BODY", "text": "Hi"}]
    assert found({"components": []}, template) == [("/template/components", "missing_offer")]
    ends = {"type": "limited_time_offer", "parameters": []}
    assert found({"components": [ends]}, template) == []


def test_rooms_say_how_long_a_campaign_s_fields_may_be() -> None:
    signature = signature_of(Category.MARKETING, TEMPLATE)
    fields = ("name", "code", "unused")
    message = a_message("Dear {{name}}", "{{code}}", header="{{name}}", suffix="{{code}}?x")
    assert rooms_of(signature, message, fields) == [
        Room("header", 56, (1, 0, 0)),
        Room("body", 1_024 - 16 - 10, (2, 1, 0)),
        Room("button 1", 2_000 - 18 - 2, (0, 1, 0)),
    ]
    assert suffix_fields(signature, message, fields) == [1]


@pytest.mark.parametrize("odd", [7, "x", None, [7], [{"type": 7, "parameters": 7, "cards": 7}]])
def test_odd_json_is_refused_and_breaks_nothing(odd: object) -> None:
    signature = signature_of(Category.MARKETING, TEMPLATE)
    assert check_message(signature, {"components": odd})
    assert rooms_of(signature, {"components": odd}, ("a",)) == []
