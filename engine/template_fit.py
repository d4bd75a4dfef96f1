"""Whether a message fills in exactly what its template wants, and how long that may become."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from engine.model import Category
from engine.templates import (
    MEDIA,
    URL_MAX,
    Signature,
    Space,
    Violation,
    mappings,
    why_not_text,
)

KINDS = ("header", "body", "button", "carousel", "limited_time_offer")
FILES = ("image", "video", "document")
# A suffix is a part of a URL: RFC 3986 wants everything else percent-encoded.
NOT_IN_URL = re.compile(r"[\s\"<>\\^`{|}]")
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")  # of a campaign's field
_EMPTY: Mapping[str, object] = {}

Given = Mapping[str, tuple[str, Mapping[str, object]]]  # component -> its pointer, and itself


@dataclass(frozen=True, slots=True)
class Room:
    """How many characters a campaign's fields may add to one text of its message."""

    what: str  # for people: `body`, `header`, `button 0`
    left: int
    weights: tuple[int, ...]  # how often each field stands there, in the fields' order


def check_message(signature: Signature, template: Mapping[str, object]) -> list[Violation]:
    """Return what is wrong with a message's `template` object; pointers start at it.

    A campaign's placeholders count as empty here: `rooms_of` says how long its rows may be.
    """
    return _check_components(signature, template.get("components"), "/template/components")


def rooms_of(
    signature: Signature, template: Mapping[str, object], fields: Sequence[str]
) -> list[Room]:
    """Return how long a campaign's fields may be, one for each text they stand in."""
    given = _given(template.get("components"), "")
    rooms: list[Room] = []
    for what, space, wanted in (
        ("header", signature.header_space, signature.header),
        ("body", signature.body_space, signature.body),
    ):
        parameters = mappings(given.get(what, ("", _EMPTY))[1].get("parameters"))
        named = _by_name(parameters, wanted)
        texts = [(space.counts.get(name, 0), str(each.get("text", ""))) for name, each in named]
        rooms.append(_room(what, space.most - space.fixed, texts, fields))
    for index, fixed in signature.url_spaces.items():
        name = f"button {index}"
        parameters = mappings(given.get(name, ("", _EMPTY))[1].get("parameters"))
        texts = [(1, str(each.get("text", ""))) for each in parameters]
        rooms.append(_room(name, URL_MAX - fixed, texts, fields))
    return [room for room in rooms if any(room.weights)]


def suffix_fields(
    signature: Signature, template: Mapping[str, object], fields: Sequence[str]
) -> list[int]:
    """Return the places of the fields that become part of a URL."""
    given = _given(template.get("components"), "")
    found: set[str] = set()
    for index in signature.url_spaces:
        component = given.get(f"button {index}", ("", _EMPTY))[1]
        for parameter in mappings(component.get("parameters")):
            found |= set(_PLACEHOLDER.findall(str(parameter.get("text", ""))))
    return [place for place, name in enumerate(fields) if name in found]


def _room(what: str, left: int, texts: Sequence[tuple[int, str]], fields: Sequence[str]) -> Room:
    weights = [0] * len(fields)
    for times, text in texts:
        left -= times * len(_PLACEHOLDER.sub("", text))
        for name in _PLACEHOLDER.findall(text):
            if name in fields:
                weights[fields.index(name)] += times
    return Room(what, left, tuple(weights))


def _given(components: object, pointer: str) -> dict[str, tuple[str, Mapping[str, object]]]:
    given: dict[str, tuple[str, Mapping[str, object]]] = {}
    for place, component in enumerate(mappings(components)):
        given.setdefault(_name_of(component), (f"{pointer}/{place}", component))
    return given


def _name_of(component: Mapping[str, object]) -> str:
    kind = str(component.get("type", "")).lower()
    return f"button {component.get('index', '')}" if kind == "button" else kind


def _check_components(
    signature: Signature, components: object, pointer: str, known: Sequence[str] = KINDS
) -> list[Violation]:
    violations: list[Violation] = []
    seen: dict[str, str] = {}
    for place, component in enumerate(mappings(components)):
        here = f"{pointer}/{place}"
        kind, name = str(component.get("type", "")).lower(), _name_of(component)
        if kind not in known:
            detail = f"is none of {', '.join(known)}"
            violations.append(Violation(f"{here}/type", "unknown_component", detail))
        elif name in seen:
            detail = f"{name} was given before, at {seen[name]}; give it once"
            violations.append(Violation(here, "repeated_component", detail))
        seen.setdefault(name, here)
    given = _given(components, pointer)
    violations += _check_texts("header", signature.header, signature, given, pointer)
    violations += _check_texts("body", signature.body, signature, given, pointer)
    violations += _check_media(signature, given, pointer)
    violations += _check_buttons(signature, given, pointer)
    violations += _check_cards(signature, given, pointer)
    return violations + _check_offer(signature, given, pointer)


def _check_texts(
    kind: str, wanted: tuple[str, ...], signature: Signature, given: Given, nowhere: str
) -> list[Violation]:
    pointer, component = given.get(kind, (nowhere, _EMPTY))
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
        violations += _check_name(here, parameter, kind, wanted, signature)
    violations += _check_repeats(pointer, parameters, signature)
    space = signature.header_space if kind == "header" else signature.body_space
    return violations or _check_length(pointer, kind, parameters, wanted, space)


def _check_name(
    here: str,
    parameter: Mapping[str, object],
    kind: str,
    wanted: tuple[str, ...],
    signature: Signature,
) -> list[Violation]:
    name = parameter.get("parameter_name")
    if signature.is_named and name not in wanted:
        detail = f"names no variable of the {kind}; use one of {', '.join(wanted)}"
        return [Violation(f"{here}/parameter_name", "parameter_name", detail)]
    if not signature.is_named and name is not None:
        detail = "the template's variables are numbers, in order; leave `parameter_name` out"
        return [Violation(f"{here}/parameter_name", "parameter_name", detail)]
    return []


def _check_length(
    pointer: str,
    kind: str,
    parameters: Sequence[Mapping[str, object]],
    wanted: tuple[str, ...],
    space: Space,
) -> list[Violation]:
    """Return why a text becomes too long once it is filled in (132005, 132018)."""
    length = space.fixed
    for name, parameter in _by_name(parameters, wanted):
        text = _PLACEHOLDER.sub("", str(parameter.get("text", "")))
        length += space.counts.get(name, 0) * len(text)
    if length <= space.most:
        return []
    detail = f"the {kind} becomes {length} characters long, the limit is {space.most}; shorten it"
    return [Violation(pointer, "too_long", detail)]


def _by_name(
    parameters: Sequence[Mapping[str, object]], wanted: Sequence[str]
) -> list[tuple[str, Mapping[str, object]]]:
    """Return parameters with the variable each is for: by its name, else by its place."""
    names = [*wanted, *[""] * len(parameters)]
    return [
        (str(each.get("parameter_name", names[place])), each)
        for place, each in enumerate(parameters)
    ]


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


def _check_media(signature: Signature, given: Given, nowhere: str) -> list[Violation]:
    wanted = signature.header_media
    if wanted not in MEDIA:
        return []
    pointer, component = given.get("header", (nowhere, _EMPTY))
    parameters = mappings(component.get("parameters"))
    kinds = [str(parameter.get("type", "")).lower() for parameter in parameters]
    if kinds != [wanted]:
        detail = f"the template's header wants one `{wanted}` parameter"
        return [Violation(pointer, "parameter_type", detail)]
    here = f"{pointer}/parameters/0/{wanted}"
    media = parameters[0].get(wanted)
    if not isinstance(media, Mapping) or not media:
        detail = f"must be an object, with `id` or `link` for media: `{wanted}`"
        return [Violation(here, "wrong_type", detail)]
    return _check_file(media, here) if wanted in FILES else _check_location(media, here)


def _check_file(media: Mapping[str, object], here: str) -> list[Violation]:
    """Return what is wrong with a file: it is uploaded or linked, and its link is a full URL."""
    identity, link = media.get("id"), media.get("link")
    if bool(identity) == bool(link):
        detail = "needs `id` (uploaded, best) or `link`, and not both"
        return [Violation(here, "missing", detail)]
    if not link:
        return []
    if not isinstance(link, str):
        return [Violation(f"{here}/link", "wrong_type", "must be a string, a full URL")]
    if _PLACEHOLDER.search(link):
        return []
    try:
        parts = urlsplit(link)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or NOT_IN_URL.search(link):
        detail = "is no full URL; begin with https:// and a host name, without spaces"
        return [Violation(f"{here}/link", "not_full_url", detail)]
    return []


def _check_location(media: Mapping[str, object], here: str) -> list[Violation]:
    missing = [name for name in ("latitude", "longitude") if media.get(name) in (None, "")]
    return [Violation(f"{here}/{name}", "missing", "a location needs it") for name in missing]


def _check_buttons(signature: Signature, given: Given, nowhere: str) -> list[Violation]:
    violations: list[Violation] = []
    for index, wanted in signature.buttons.items():
        pointer, component = given.get(f"button {index}", (nowhere, _EMPTY))
        parameters = mappings(component.get("parameters"))
        kinds = [str(parameter.get("type", "")).lower() for parameter in parameters]
        if kinds != [wanted]:
            detail = f"button {index} of the template wants one `{wanted}` parameter"
            violations.append(Violation(pointer, "button_parameter", detail))
        elif wanted == "text":
            violations += _check_suffix(f"{pointer}/parameters/0", parameters[0], index, signature)
    return violations + _check_other_buttons(signature, given) + _check_code(signature, given)


def _check_suffix(
    here: str, parameter: Mapping[str, object], index: int, signature: Signature
) -> list[Violation]:
    """Return what is wrong with what is put at the end of a button's URL, or with a code."""
    violations = _check_text(here, parameter)
    text = _PLACEHOLDER.sub("", str(parameter.get("text", "")))
    if violations or index not in signature.url_spaces:
        return violations
    if (found := NOT_IN_URL.search(text)) is not None:
        detail = f"holds {found.group()!r}, which no URL may; percent-encode it"
        return [Violation(f"{here}/text", "not_in_url", detail)]
    length = signature.url_spaces[index] + len(text)
    if length > URL_MAX:
        detail = f"the URL becomes {length} characters long, the limit is {URL_MAX}; shorten it"
        return [Violation(f"{here}/text", "too_long", detail)]
    return []


def _check_other_buttons(signature: Signature, given: Given) -> list[Violation]:
    """Return which buttons are filled in that are not there, or take nothing."""
    violations: list[Violation] = []
    for name, (pointer, component) in given.items():
        if not name.startswith("button"):
            continue
        index = str(component.get("index", ""))
        number = int(index) if index.isdecimal() and len(index) <= len("10") else -1
        if not 0 <= number < len(signature.kinds):
            detail = f"the template has {len(signature.kinds)} buttons, from index 0"
            violations.append(Violation(f"{pointer}/index", "unknown_button", detail))
        elif signature.kinds[number] == "URL" and number not in signature.buttons:
            detail = f"the URL of button {number} is fixed: it takes no parameter; leave it out"
            violations.append(Violation(pointer, "button_parameter", detail))
    return violations


def _check_code(signature: Signature, given: Given) -> list[Violation]:
    """Return where the two copies of an authentication code differ: Meta wants it twice."""
    if signature.category is not Category.AUTHENTICATION or not signature.buttons:
        return []
    index = next(iter(signature.buttons))
    pointer, button = given.get(f"button {index}", ("", _EMPTY))
    copies = [
        str(parameter.get("text"))
        for component in (given.get("body", ("", _EMPTY))[1], button)
        for parameter in mappings(component.get("parameters"))[:1]
    ]
    if len(copies) != len(("body", "button")) or len(set(copies)) == 1:
        return []
    detail = "must be the code of the body: Meta wants the same one twice"
    return [Violation(f"{pointer}/parameters/0/text", "code_differs", detail)]


def _check_cards(signature: Signature, given: Given, nowhere: str) -> list[Violation]:
    pointer, component = given.get("carousel", (nowhere, _EMPTY))
    cards = mappings(component.get("cards"))
    if len(cards) != len(signature.cards):
        detail = f"the template has {len(signature.cards)} cards, {len(cards)} given; give each"
        return [Violation(pointer, "card_count", detail)]
    violations: list[Violation] = []
    for place, (card, wanted) in enumerate(zip(cards, signature.cards, strict=True)):
        here = f"{pointer}/cards/{place}/components"
        kinds = ("header", "body", "button")
        violations += _check_components(wanted, card.get("components"), here, kinds)
    return violations


def _check_offer(signature: Signature, given: Given, nowhere: str) -> list[Violation]:
    if not signature.is_offer or "limited_time_offer" in given:
        return []
    detail = "the template's offer ends: give a limited_time_offer with expiration_time_ms"
    return [Violation(nowhere, "missing_offer", detail)]
