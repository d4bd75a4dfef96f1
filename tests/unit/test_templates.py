"""Templates: what each wants filled in, and what does not fit it."""

import pytest

from engine.model import Category
from engine.template_fit import check_message
from engine.templates import Signature, Space, signature_of, variables, why_not_text

POSITIONAL: list[dict[str, object]] = [
    {"type": "HEADER", "format": "TEXT", "text": "For {{1}}"},
    {"type": "BODY", "text": "Hi {{1}}, {{2}} and {{1}} again"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Stop"},
            {"type": "URL", "text": "Open", "url": "https://a.example/{{1}}"},
            {"type": "COPY_CODE", "example": "25OFF"},
        ],
    },
]
NAMED: list[dict[str, object]] = [{"type": "BODY", "text": "Hi {{first_name}}, order {{order}}"}]


def texts(*values: str) -> list[dict[str, object]]:
    return [{"type": "text", "text": value} for value in values]


def button(index: int, **parameter: str) -> dict[str, object]:
    return {"type": "button", "sub_type": "url", "index": str(index), "parameters": [parameter]}


def a_message(**changes: object) -> dict[str, object]:
    components = {
        "header": {"type": "header", "parameters": texts("Ada")},
        "body": {"type": "body", "parameters": texts("Ada", "B")},
        "url": button(1, type="text", text="x"),
        "code": button(2, type="coupon_code", coupon_code="25OFF"),
    } | changes
    return {"components": [each for each in components.values() if each]}


def codes(components: list[dict[str, object]], message: dict[str, object]) -> list[tuple[str, str]]:
    signature = signature_of(Category.MARKETING, components)
    return [(each.pointer, each.code) for each in check_message(signature, message)]


def test_a_variable_counts_once() -> None:
    assert variables("{{1}} {{ 2 }} {{1}} {{name}}") == ("1", "2", "name")


def test_a_signature_says_what_is_wanted() -> None:
    signature = signature_of(Category.MARKETING, POSITIONAL)
    assert signature == Signature(
        Category.MARKETING,
        is_named=False,
        header=("1",),
        body=("1", "2"),
        buttons={1: "text", 2: "coupon_code"},
        kinds=("QUICK_REPLY", "URL", "COPY_CODE"),
        header_space=Space(4, 60, {"1": 1}),
        body_space=Space(16, 1_024, {"1": 2, "2": 1}),
        url_spaces={1: 18},
    )
    assert signature_of(Category.MARKETING, NAMED).is_named


def test_an_authentication_template_wants_its_code_twice() -> None:
    signature = signature_of(
        Category.AUTHENTICATION,
        [{"type": "BODY"}, {"type": "BUTTONS", "buttons": [{"type": "OTP"}]}],
    )
    assert (signature.body, signature.buttons) == (("1",), {0: "text"})


def test_a_message_that_fits_has_nothing_wrong() -> None:
    assert codes(POSITIONAL, a_message()) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {"body": {"type": "body", "parameters": texts("Ada")}},
            ("/template/components/1", "parameter_count"),
        ),
        ({"body": None}, ("/template/components", "parameter_count")),
        (
            {"body": {"type": "body", "parameters": texts("Ada", "")}},
            ("/template/components/1/parameters/1/text", "empty"),
        ),
        (
            {"body": {"type": "body", "parameters": [{"type": "image"}, *texts("a")]}},
            ("/template/components/1/parameters/0/type", "parameter_type"),
        ),
        ({"url": None}, ("/template/components", "button_parameter")),
        ({"more": {"type": "footer"}}, ("/template/components/4/type", "unknown_component")),
        (
            {"more": {"type": "header", "parameters": texts("Ada")}},
            ("/template/components/4", "repeated_component"),
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(
    changes: dict[str, object], found: tuple[str, str]
) -> None:
    assert codes(POSITIONAL, a_message(**changes)) == [found]


def test_named_variables_are_named_once_each() -> None:
    right = [
        {"type": "text", "parameter_name": "order", "text": "1"},
        {"type": "text", "parameter_name": "first_name", "text": "Ada"},
    ]
    wrong = [right[0], right[0] | {"parameter_name": "name"}]
    twice = [right[0], right[0]]
    place = "/template/components/0/parameters"
    assert codes(NAMED, {"components": [{"type": "body", "parameters": right}]}) == []
    assert codes(NAMED, {"components": [{"type": "body", "parameters": wrong}]}) == [
        (f"{place}/1/parameter_name", "parameter_name")
    ]
    assert codes(NAMED, {"components": [{"type": "body", "parameters": twice}]}) == [
        (place, "parameter_name")
    ]


def test_a_media_header_wants_its_media() -> None:
    image: list[dict[str, object]] = [
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "Hi"},
    ]
    parameters: list[dict[str, object]] = [{"type": "image", "image": {"id": "1"}}]
    assert codes(image, {"components": [{"type": "header", "parameters": parameters}]}) == []
    assert codes(image, {"components": []}) == [("/template/components", "parameter_type")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("a\nb", "forbidden_character"),
        ("a\tb", "forbidden_character"),
        ("a     b", "too_many_spaces"),
        ("a" * 1_025, "too_long"),
    ],
)
def test_a_text_meta_would_refuse_is_refused(text: str, code: str) -> None:
    objection = why_not_text(text)
    assert objection is not None
    assert objection[0] == code
    assert why_not_text("a    b") is None
