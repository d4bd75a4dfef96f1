"""What a template wants filled in, and whether a message fills in exactly that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.model import Category

# Characters of the texts a person gets, filled in: 132005 and 132018 where they are longer.
# https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/components
PARAMETER_MAX = 1_024  # of a body, the longest there is
HEADER_MAX = 60
OFFER_BODY_MAX = 600  # of a limited-time offer
CARD_BODY_MAX = 160
URL_MAX = 2_000
CODE_MAX = 15  # of an authentication parameter: .../templates/template-categorization
SPACES_MAX = 4  # in a row; Meta rejects a parameter with more, and with newlines or tabs

MEDIA = ("image", "video", "document", "location")
BUTTON_PARAMETERS = {"url": "text", "copy_code": "coupon_code"}  # what a button must be given
FIELD = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*|[1-9][0-9]?)\s*\}\}")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with a message: where, what, and what to do."""

    pointer: str  # RFC 6901, from the message
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Space:
    """How long a text may become: its own characters, its limit, and where its variables stand."""

    fixed: int = 0
    most: int = PARAMETER_MAX
    counts: Mapping[str, int] = field(default_factory=dict[str, int])  # variable -> occurrences


@dataclass(frozen=True, slots=True)
class Signature:
    """What a template wants: variables of header and body, and which buttons want a parameter."""

    category: Category
    is_named: bool
    header: tuple[str, ...] = ()
    header_media: str = ""  # one of MEDIA, or empty
    body: tuple[str, ...] = ()
    buttons: Mapping[int, str] = field(default_factory=dict[int, str])  # index -> parameter type
    kinds: tuple[str, ...] = ()  # of all buttons, in Meta's words
    cards: tuple[Signature, ...] = ()  # of a carousel
    header_space: Space = Space(most=HEADER_MAX)
    body_space: Space = Space()
    url_spaces: Mapping[int, int] = field(default_factory=dict[int, int])  # index -> fixed length
    is_offer: bool = False  # it wants to be told when its offer ends


def variables(text: str) -> tuple[str, ...]:
    """Return the variables of a text, each once, in order.

    >>> variables("Hi {{name}}, {{code}} is yours, {{name}}")
    ('name', 'code')
    """
    return tuple(dict.fromkeys(FIELD.findall(text)))


def signature_of(
    category: Category,
    components: Sequence[Mapping[str, object]],
    parameter_format: str = "",
    body_max: int = PARAMETER_MAX,
) -> Signature:
    """Return what Meta's component JSON of a template wants filled in."""
    texts = {"HEADER": "", "BODY": ""}
    media = ""
    cards: tuple[Signature, ...] = ()
    buttons: list[Mapping[str, object]] = []
    is_offer = False
    for component in components:
        kind = upper(component, "type")
        if kind == "HEADER" and upper(component, "format") not in ("", "TEXT"):
            media = upper(component, "format").lower()
        elif kind in texts:
            texts[kind] = str(component.get("text", ""))
        elif kind == "BUTTONS":
            buttons = mappings(component.get("buttons"))
        elif kind == "CAROUSEL":
            cards = tuple(
                signature_of(
                    category, mappings(each.get("components")), parameter_format, CARD_BODY_MAX
                )
                for each in mappings(component.get("cards"))
            )
        elif kind == "LIMITED_TIME_OFFER":
            body_max, is_offer = OFFER_BODY_MAX, _has_expiration(component)
    header, body = variables(texts["HEADER"]), variables(texts["BODY"])
    body_space = space_of(texts["BODY"], body_max)
    if category is Category.AUTHENTICATION and not body and not cards:
        body = ("1",)  # Meta writes the text itself; the code is its one variable
        body_space = Space(most=CODE_MAX, counts={"1": 1})
    names = header + body
    return Signature(
        category=category,
        is_named=parameter_format.upper() == "NAMED" or any(not name.isdigit() for name in names),
        header=header,
        header_media=media,
        body=body,
        buttons=_buttons(buttons),
        kinds=tuple(upper(button, "type") for button in buttons),
        cards=cards,
        header_space=space_of(texts["HEADER"], HEADER_MAX),
        body_space=body_space,
        url_spaces=_url_spaces(buttons),
        is_offer=is_offer,
    )


def space_of(text: str, most: int) -> Space:
    """Return how much room a text leaves for its variables.

    >>> space_of("Hi {{1}}, {{1}}!", 60)
    Space(fixed=6, most=60, counts={'1': 2})
    """
    names = FIELD.findall(text)
    counts = {name: names.count(name) for name in variables(text)}
    return Space(len(FIELD.sub("", text)), most, counts)


def why_not_text(text: str) -> tuple[str, str] | None:
    """Return a code and a sentence when Meta would refuse a parameter's text; else None.

    Newlines, tabs and more than four spaces in a row are answered with 132012, an empty text with
    HTTP 400: https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
    """
    if not text.strip():
        return "empty", "is empty; Meta refuses empty parameters: give a text or a fallback"
    if (found := _FORBIDDEN.search(text)) is not None:
        name = {"\n": "a newline", "\t": "a tab", "\r": "a carriage return"}.get(found.group())
        return "forbidden_character", f"holds {name or 'a control character'}; use a space instead"
    if " " * (SPACES_MAX + 1) in text:
        return "too_many_spaces", f"holds more than {SPACES_MAX} spaces in a row; use one"
    if len(text) > PARAMETER_MAX:
        return "too_long", f"has {len(text)} characters, the limit is {PARAMETER_MAX}"
    return None


def _buttons(buttons: Sequence[Mapping[str, object]]) -> dict[int, str]:
    """Return which buttons must be given a parameter, and of which type."""
    wanted: dict[int, str] = {}
    for index, button in enumerate(buttons):
        kind = upper(button, "type")
        if (kind == "URL" and variables(str(button.get("url", "")))) or kind == "OTP":
            wanted[index] = BUTTON_PARAMETERS["url"]
        elif kind == "COPY_CODE":
            wanted[index] = BUTTON_PARAMETERS["copy_code"]
    return wanted


def _url_spaces(buttons: Sequence[Mapping[str, object]]) -> dict[int, int]:
    """Return how long each dynamic URL is without what fills it in."""
    return {
        index: len(FIELD.sub("", str(button.get("url", ""))))
        for index, button in enumerate(buttons)
        if upper(button, "type") == "URL" and variables(str(button.get("url", "")))
    }


def _has_expiration(component: Mapping[str, object]) -> bool:
    offer = component.get("limited_time_offer")
    return bool(offer.get("has_expiration")) if isinstance(offer, Mapping) else False


def upper(component: Mapping[str, object], name: str) -> str:
    """Return a word of a component, whatever its case was; empty when there is none."""
    return str(component.get(name, "")).upper()


def mappings(value: object) -> list[Mapping[str, object]]:
    """Return the JSON objects of a JSON array; anything else is left out."""
    if not isinstance(value, list):
        return []
    return [each for each in value if isinstance(each, Mapping)]
