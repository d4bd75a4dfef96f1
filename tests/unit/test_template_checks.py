"""Templates at the door: every violation at once, each with its place and its remedy."""

# ruff: noqa: ANN401  # odd JSON is what some of these tests are about

from dataclasses import replace
from typing import Any

import pytest

from engine.directory import Template
from engine.model import Category, TemplateStatus, WabaId
from engine.template_checks import Draft, check_template
from engine.template_rules import SEED

BODY = {
    "type": "BODY",
    "text": "Hi {{1}}, your code {{2}} is ready.",
    "example": {"body_text": [["Ada", "A-17"]]},
}
HEADER = {
    "type": "HEADER",
    "format": "TEXT",
    "text": "For {{1}}",
    "example": {"header_text": ["Ada"]},
}
URL = {
    "type": "URL",
    "text": "Open",
    "url": "https://shop.example/o/{{1}}",
    "example": ["https://shop.example/o/17"],
}
REPLY = {"type": "QUICK_REPLY", "text": "Stop"}
PHONE = {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550100"}
OTP = {"type": "OTP", "otp_type": "COPY_CODE"}
IMAGE = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::aW"]}}


def a_draft(*components: dict[str, Any], **changes: Any) -> Draft:
    draft = Draft("spring_offer", "en_US", "MARKETING", components or (BODY,))
    return replace(draft, **changes)


def buttons(*listed: dict[str, Any]) -> dict[str, Any]:
    return {"type": "BUTTONS", "buttons": list(listed)}


def found(draft: Draft, **more: Any) -> list[tuple[str, str]]:
    return [(each.pointer, each.code) for each in check_template(draft, **more)]


def test_a_whole_template_has_nothing_wrong() -> None:
    footer = {"type": "FOOTER", "text": "Reply STOP to leave"}
    whole = a_draft(HEADER, BODY, footer, buttons(REPLY, REPLY, URL, PHONE))
    assert found(whole) == []


def test_everything_wrong_is_told_at_once_with_a_remedy() -> None:
    bad = a_draft(
        {"type": "HEADER", "text": "{{1}} for {{2}}", "example": {"header_text": ["a", "b"]}},
        {"type": "BODY", "text": "{{1}} and {{3}}"},
        {"type": "FOOTER", "text": "By {{1}}" + "x" * 60},
        name="Spring Offer",
        language="en-US",
        category="NEWS",
    )
    assert found(bad) == [
        ("/name", "name"),
        ("/language", "language"),
        ("/category", "category"),
        ("/components/0/text", "too_many_variables"),
        ("/components/1/text", "variables_not_sequential"),
        ("/components/1/text", "variable_at_end"),
        ("/components/1/example/body_text", "missing_sample"),
        ("/components/2/text", "too_long"),
        ("/components/2/text", "variable"),
    ]
    for each in check_template(bad):
        assert "; " in each.detail or "must" in each.detail, each


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hi {{a#b}} there", "forbidden_character"),
        ("Hi {{a$}} there", "forbidden_character"),
        ("Hi {{50%}} there", "forbidden_character"),
        ("Hi {{First Name}} there", "malformed_variable"),
        ("Hi {{1} there", "malformed_variable"),
        ("Hi {{1}} and {{name}} there", "mixed_variables"),
        ("Hi {{2}} there", "variables_not_sequential"),
        ("Hi {{1}} {{2}} there", "adjacent_variables"),
        ("Hi {{1}}, {{2}} there", "adjacent_variables"),
        ("Hi {{1}}", "variable_at_end"),
        ("x" * 1_025, "too_long"),
        ("", "missing"),
    ],
)
def test_a_body_that_meta_would_reject(text: str, code: str) -> None:
    codes = [each for _, each in found(a_draft({"type": "BODY", "text": text}))]
    assert code in codes


def test_a_thousand_and_twenty_four_characters_are_not_too_many() -> None:
    assert found(a_draft({"type": "BODY", "text": "x" * 1_024})) == []
    assert found(a_draft({"type": "BODY", "text": "x" * 1_001}), profile=SEED) == [
        ("/components/0/text", "too_long")
    ]


def test_named_variables_want_named_samples_and_the_format() -> None:
    text = "Hi {{first_name}}, welcome."
    example = {"body_text_named_params": [{"param_name": "first_name", "example": "Ada"}]}
    body = {"type": "BODY", "text": text, "example": example}
    assert found(a_draft(body, parameter_format="NAMED")) == []
    assert ("/parameter_format", "parameter_format") in found(a_draft(body))
    without = a_draft({"type": "BODY", "text": text}, parameter_format="NAMED")
    assert found(without) == [("/components/0/example/body_text_named_params", "missing_sample")]


@pytest.mark.parametrize(
    ("listed", "code"),
    [
        ([REPLY] * 11, "too_many_buttons"),
        ([URL, URL, URL], "too_many_buttons"),
        ([PHONE, PHONE], "too_many_buttons"),
        ([REPLY, URL, REPLY], "interleaved"),
        ([REPLY | {"text": "x" * 26}], "too_long"),
        ([REPLY | {"text": "Hi {{1}}"}], "variable"),
        ([{"type": "LAUNCH", "text": "x"}], "unknown_button"),
        ([PHONE | {"phone_number": "call me"}], "not_a_number"),
        ([URL | {"url": "shop.example/o"}], "not_full_url"),
        ([URL | {"url": "https://{{1}}"}], "not_full_url"),
        ([URL | {"url": "https://shop.example/{{1}}/x"}], "variable_place"),
        ([URL | {"url": "https://shop.example/{{1}}{{2}}"}], "variable_place"),
        ([URL | {"url": "https://bit.ly/abc"}], "short_url"),
        ([URL | {"url": "https://wa.me/15550100"}], "whatsapp_url"),
        ([URL | {"url": "https://shop.example/" + "x" * 2_000}], "too_long"),
        ([URL | {"example": []}], "missing_sample"),
        ([{"type": "COPY_CODE"}], "missing_sample"),
        ([{"type": "COPY_CODE", "example": "x" * 21}], "too_long"),
        ([], "missing"),
    ],
)
def test_buttons_that_meta_would_reject(listed: list[dict[str, Any]], code: str) -> None:
    assert code in [each for _, each in found(a_draft(BODY, buttons(*listed)))]


def test_the_product_documents_allow_fewer_buttons() -> None:
    assert found(a_draft(BODY, buttons(REPLY, REPLY, REPLY)), profile=SEED) == []
    assert found(a_draft(BODY, buttons(URL, PHONE)), profile=SEED) == []
    codes = [code for _, code in found(a_draft(BODY, buttons(REPLY, URL)), profile=SEED)]
    assert codes == ["mixed_buttons"]
    assert found(a_draft(BODY, buttons(*[REPLY] * 4)), profile=SEED)
    assert found(a_draft(BODY, category="AUTHENTICATION"), profile=SEED)[0] == (
        "/category",
        "category",
    )


def test_the_product_documents_have_no_product_messages() -> None:
    product = {"type": "HEADER", "format": "PRODUCT"}
    assert found(a_draft(product, BODY)) == []
    assert found(a_draft(product, BODY), profile=SEED) == [
        ("/components/0/format", "unknown_format")
    ]


def test_an_account_that_tracks_clicks_wants_its_base_on_dynamic_urls_only() -> None:
    tracked = URL | {"url": "https://ct1.io/{{1}}", "example": ["https://ct1.io/17"]}
    fixed = URL | {"url": "https://shop.example/", "example": None}
    draft = a_draft(BODY, buttons(tracked, fixed))
    assert found(draft, tracking="https://ct1.io/") == []
    assert found(a_draft(BODY, buttons(URL)), tracking="https://ct1.io/") == [
        ("/components/1/buttons/0/url", "tracking_base")
    ]


def test_an_authentication_template_is_meta_s_words_and_one_otp_button() -> None:
    right = a_draft({"type": "BODY"}, buttons(OTP), category="AUTHENTICATION")
    assert found(right) == []
    wrong = a_draft(IMAGE, BODY, buttons(URL), category="AUTHENTICATION")
    assert [code for _, code in found(wrong)] == ["not_allowed", "not_allowed", "otp_button"]


def test_a_media_header_wants_a_sample() -> None:
    assert found(a_draft(IMAGE, BODY)) == []
    assert found(a_draft({"type": "HEADER", "format": "IMAGE"}, BODY)) == [
        ("/components/0/example/header_handle", "missing_sample")
    ]
    assert found(a_draft({"type": "HEADER", "format": "LOCATION"}, BODY)) == []


def test_a_carousel_has_cards_alike() -> None:
    card = {"components": [IMAGE, buttons(REPLY)]}
    other = {"components": [IMAGE, buttons(URL)]}
    assert found(a_draft(BODY, {"type": "CAROUSEL", "cards": [card, card]})) == []
    codes = [code for _, code in found(a_draft(BODY, {"type": "CAROUSEL", "cards": [card, other]}))]
    assert codes == ["cards_differ"]
    assert ("/components/1/cards", "count") in found(
        a_draft(BODY, {"type": "CAROUSEL", "cards": [card]})
    )


def test_a_twin_of_another_template_is_refused_but_not_of_itself_or_of_one_that_is_gone() -> None:
    other = Template(
        waba_id=WabaId("w"),
        name="autumn_offer",
        language="de",
        category=Category.MARKETING,
        status=TemplateStatus.APPROVED,
        components=[dict(BODY)],
    )
    assert found(a_draft(), others=[other]) == [("/components", "duplicate")]
    itself = replace(other, name="spring_offer")
    gone = replace(other, status=TemplateStatus.DELETED)
    assert found(a_draft(), others=[itself, gone]) == []


@pytest.mark.parametrize("odd", [7, "x", None, [7], {"buttons": 7}])
def test_odd_json_is_refused_and_breaks_nothing(odd: Any) -> None:
    components: list[dict[str, Any]] = [
        {"type": "BODY", "text": odd, "example": odd},
        {"type": "HEADER", "format": odd, "text": odd, "example": odd},
        {"type": "BUTTONS", "buttons": odd},
        {"type": "CAROUSEL", "cards": odd},
        {"type": odd},
    ]
    assert check_template(a_draft(*components))


def test_the_body_is_the_one_part_that_must_be_there() -> None:
    assert found(a_draft(HEADER)) == [("/components", "missing")]
    assert found(a_draft(BODY, BODY)) == [("/components/1", "repeated_component")]
