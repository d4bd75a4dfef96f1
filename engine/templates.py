"""What a template wants filled in, and whether a message fills in exactly that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.model import Category

PARAMETER_MAX = 1_024  # characters of a body, the longest there is: M/templates/components
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
class Signature:
    """What a template wants: variables of header and body, and which buttons want a parameter."""

    category: Category
    is_named: bool
    header: tuple[str, ...] = ()
    header_media: str = ""  # one of MEDIA, or empty
    body: tuple[str, ...] = ()
    buttons: Mapping[int, str] = field(default_factory=dict[int, str])  # index -> parameter type
    cards: int = 0  # of a carousel


def variables(text: str) -> tuple[str, ...]:
    """Return the variables of a text, each once, in order.

    >>> variables("Hi {{name}}, {{code}} is yours, {{name}}")
    ('name', 'code')
    """
    return tuple(dict.fromkeys(FIELD.findall(text)))


def signature_of(
    category: Category, components: Sequence[Mapping[str, object]], parameter_format: str = ""
) -> Signature:
    """Return what Meta's component JSON of a template wants filled in."""
    found: dict[str, tuple[str, ...]] = {"HEADER": (), "BODY": ()}
    media, cards = "", 0
    buttons: dict[int, str] = {}
    for component in components:
        kind = upper(component, "type")
        if kind == "HEADER" and upper(component, "format") not in ("", "TEXT"):
            media = upper(component, "format").lower()
        elif kind in found:
            found[kind] = variables(str(component.get("text", "")))
        elif kind == "BUTTONS":
            buttons = _buttons(mappings(component.get("buttons")))
        elif kind == "CAROUSEL":
            cards = len(mappings(component.get("cards")))
    body = found["BODY"]
    if category is Category.AUTHENTICATION and not body:
        body = ("1",)  # Meta writes the text itself; the code is its one variable
    names = found["HEADER"] + body
    is_named = parameter_format.upper() == "NAMED" or any(not name.isdigit() for name in names)
    return Signature(category, is_named, found["HEADER"], media, body, buttons, cards)


def check_message(signature: Signature, template: Mapping[str, object]) -> list[Violation]:
    """Return what is wrong with a message's `template` object; pointers start at it."""
    violations: list[Violation] = []
    given: dict[str, tuple[str, Mapping[str, object]]] = {}
    for place, component in enumerate(mappings(template.get("components"))):
        pointer = f"/template/components/{place}"
        kind = str(component.get("type", "")).lower()
        name = f"button {component.get('index', '')}" if kind == "button" else kind
        if kind not in ("header", "body", "button", "carousel", "limited_time_offer"):
            detail = "is none of header, body, button, carousel, limited_time_offer"
            violations.append(Violation(f"{pointer}/type", "unknown_component", detail))
        elif name in given:
            detail = f"{name} was given before, at {given[name][0]}; give it once"
            violations.append(Violation(pointer, "repeated_component", detail))
        given[name] = (pointer, component)
    violations += _check_texts("header", signature.header, signature, given)
    violations += _check_texts("body", signature.body, signature, given)
    violations += _check_media(signature, given)
    return violations + _check_buttons(signature, given)


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


def _check_texts(
    kind: str,
    wanted: tuple[str, ...],
    signature: Signature,
    given: Mapping[str, tuple[str, Mapping[str, object]]],
) -> list[Violation]:
    pointer, component = given.get(kind, ("/template/components", {}))
    if kind == "header" and signature.header_media:
        return []
    parameters = mappings(component.get("parameters"))
    if len(parameters) != len(wanted):
        names = ", ".join(f"{{{{{name}}}}}" for name in wanted)
        needs = f"has {len(wanted)} variable{'s' * (len(wanted) != 1)} ({names or 'none'})"
        detail = f"the template's {kind} {needs}, {len(parameters)} given; give one for each"
        return [Violation(pointer, "parameter_count", detail)]
    violations: list[Violation] = []
    for place, parameter in enumerate(parameters):
        here = f"{pointer}/parameters/{place}"
        violations += _check_text(here, parameter)
        if signature.is_named and parameter.get("parameter_name") not in wanted:
            detail = f"names no variable of the {kind}; use one of {', '.join(wanted)}"
            violations.append(Violation(f"{here}/parameter_name", "parameter_name", detail))
    return violations + _check_repeats(pointer, parameters, signature)


def _check_repeats(
    pointer: str, parameters: Sequence[Mapping[str, object]], signature: Signature
) -> list[Violation]:
    names = [str(parameter.get("parameter_name")) for parameter in parameters]
    if not signature.is_named or len(set(names)) == len(names):
        return []
    detail = "names a variable twice; name each once"
    return [Violation(f"{pointer}/parameters", "parameter_name", detail)]


def _check_text(pointer: str, parameter: Mapping[str, object]) -> list[Violation]:
    kind = str(parameter.get("type", "")).lower()
    if kind in ("currency", "date_time"):
        return []
    if kind != "text":
        detail = f"must be `text`, not `{kind}`"
        return [Violation(f"{pointer}/type", "parameter_type", detail)]
    text = parameter.get("text")
    if not isinstance(text, str):
        return [Violation(f"{pointer}/text", "wrong_type", "must be a string")]
    objection = why_not_text(text)
    return [Violation(f"{pointer}/text", *objection)] if objection else []


def _check_media(
    signature: Signature, given: Mapping[str, tuple[str, Mapping[str, object]]]
) -> list[Violation]:
    wanted = signature.header_media
    if wanted not in MEDIA:
        return []
    pointer, component = given.get("header", ("/template/components", {}))
    parameters = mappings(component.get("parameters"))
    kinds = [str(parameter.get("type", "")).lower() for parameter in parameters]
    if kinds != [wanted]:
        detail = f"the template's header wants one `{wanted}` parameter"
        return [Violation(pointer, "parameter_type", detail)]
    media = parameters[0].get(wanted)
    if not isinstance(media, Mapping) or not media:
        detail = f"must be an object, with `id` or `link` for media: `{wanted}`"
        return [Violation(f"{pointer}/parameters/0/{wanted}", "wrong_type", detail)]
    return []


def _check_buttons(
    signature: Signature, given: Mapping[str, tuple[str, Mapping[str, object]]]
) -> list[Violation]:
    violations: list[Violation] = []
    for index, wanted in signature.buttons.items():
        pointer, component = given.get(f"button {index}", ("/template/components", {}))
        parameters = mappings(component.get("parameters"))
        kinds = [str(parameter.get("type", "")).lower() for parameter in parameters]
        if kinds != [wanted]:
            detail = f"button {index} of the template wants one `{wanted}` parameter"
            violations.append(Violation(pointer, "button_parameter", detail))
        elif wanted == "text":
            violations += _check_text(f"{pointer}/parameters/0", parameters[0])
    return violations


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


def upper(component: Mapping[str, object], name: str) -> str:
    """Return a word of a component, whatever its case was; empty when there is none."""
    return str(component.get(name, "")).upper()


def mappings(value: object) -> list[Mapping[str, object]]:
    """Return the JSON objects of a JSON array; anything else is left out."""
    if not isinstance(value, list):
        return []
    return [each for each in value if isinstance(each, Mapping)]
