"""What a person would see of a template."""

from typing import Any

from engine.model import Category
from engine.preview import render, samples
from engine.template_fit import check_message
from engine.templates import signature_of

COMPONENTS: list[dict[str, Any]] = [
    {"type": "HEADER", "format": "TEXT", "text": "For {{1}}", "example": {"header_text": ["Ada"]}},
    {
        "type": "BODY",
        "text": "Hi {{1}}, {{2}} and {{1}} again",
        "example": {"body_text": [["Ada", "A-17"]]},
    },
    {"type": "FOOTER", "text": "Bye"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Stop"},
            {
                "type": "URL",
                "text": "Open",
                "url": "https://a.example/{{1}}",
                "example": ["https://a.example/17"],
            },
            {"type": "COPY_CODE", "example": "25OFF"},
        ],
    },
]


def test_the_samples_of_a_template_fill_it() -> None:
    filling = samples(COMPONENTS, is_named=False, is_authentication=False)
    signature = signature_of(Category.MARKETING, COMPONENTS)
    assert check_message(signature, {"components": filling}) == []
    seen = render(COMPONENTS, filling)
    assert seen["header"] == "For Ada"
    assert seen["body"] == "Hi Ada, A-17 and Ada again"
    assert seen["footer"] == "Bye"
    assert seen["buttons"] == [
        {"type": "QUICK_REPLY", "text": "Stop"},
        {"type": "URL", "text": "Open", "url": "https://a.example/17"},
        {"type": "COPY_CODE", "text": None, "value": "25OFF"},
    ]


def test_named_samples_are_found_by_name_and_a_missing_one_is_made_up() -> None:
    body = {
        "type": "BODY",
        "text": "Hi {{name}}, {{order}}!",
        "example": {"body_text_named_params": [{"param_name": "order", "example": "7"}]},
    }
    filling = samples([body], is_named=True, is_authentication=False)
    assert render([body], filling)["body"] == "Hi sample, 7!"


def test_an_authentication_template_has_its_code_twice() -> None:
    components: list[dict[str, Any]] = [
        {"type": "BODY"},
        {"type": "BUTTONS", "buttons": [{"type": "OTP"}]},
    ]
    filling = samples(components, is_named=False, is_authentication=True)
    signature = signature_of(Category.AUTHENTICATION, components)
    assert check_message(signature, {"components": filling}) == []


def test_media_and_cards_are_shown_as_given() -> None:
    image = {"type": "HEADER", "format": "IMAGE"}
    card = {"components": [image, {"type": "BODY", "text": "Card {{1}}."}]}
    parameter = {"type": "image", "image": {"link": "https://a.example/i.png"}}
    header = {"type": "header", "parameters": [parameter]}
    body = {"type": "body", "parameters": [{"type": "text", "text": "one"}]}
    carousel = {"type": "carousel", "cards": [{"components": [header, body]}]}
    seen = render([{"type": "CAROUSEL", "cards": [card]}], [carousel])
    assert seen["cards"] == [
        {
            "header": {"type": "image", "image": {"link": "https://a.example/i.png"}},
            "body": "Card one.",
            "footer": None,
            "buttons": [],
        }
    ]


def test_a_currency_shows_its_fallback() -> None:
    money = {"type": "currency", "currency": {"fallback_value": "1 EUR", "code": "EUR"}}
    seen = render([{"type": "BODY", "text": "{{1}}"}], [{"type": "body", "parameters": [money]}])
    assert seen["body"] == "1 EUR"
