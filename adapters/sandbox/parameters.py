"""What a template expects of a send, and what a send brings: number, kind, forbidden characters.

Sources: M/templates/components, M/messages/template-messages, M/support/error-codes,
https://github.com/netflie/whatsapp-cloud-api/issues/201 for the forbidden characters,
https://github.com/shridarpatil/frappe_whatsapp/issues/169 for the empty ones.
"""

from __future__ import annotations

import re
from typing import cast

import msgspec

from adapters.sandbox.codes import Refusal

BODY_CHARS_MAX = 1_024  # M/templates/components
AUTHENTICATION_CHARS_MAX = 15  # M/templates/template-categorization
FORBIDDEN = re.compile(r"[\n\r\t]| {5}")  # line feeds, tabs, more than four spaces in a row
VARIABLE = re.compile(r"\{\{\s*([a-zA-Z0-9_]+)\s*\}\}")
MEDIA = frozenset({"image", "video", "document", "location"})


class Shape(msgspec.Struct, frozen=True):
    """What a template expects of the parameters of one send."""

    header: str = "none"  # none, text, image, video, document, location
    header_count: int = 0
    body: str = ""
    body_count: int = 0
    body_names: frozenset[str] = frozenset()
    dynamic_buttons: frozenset[int] = frozenset()
    coupon_buttons: frozenset[int] = frozenset()
    cards: int = 0


class ShapeError(ValueError):
    """The components are no template of Meta's; the message says why."""


class MediaRef(msgspec.Struct):
    """A media parameter, uploaded or linked."""

    id: str = ""
    link: str = ""
    filename: str = ""


class Parameter(msgspec.Struct):
    """One parameter of a component; which field counts depends on `type`."""

    type: str
    text: str | None = None
    parameter_name: str | None = None
    image: MediaRef | None = None
    video: MediaRef | None = None
    document: MediaRef | None = None
    location: dict[str, object] | None = None
    payload: str | None = None
    coupon_code: str | None = None
    currency: dict[str, object] | None = None
    date_time: dict[str, object] | None = None
    action: dict[str, object] | None = None
    limited_time_offer: dict[str, object] | None = None


class Component(msgspec.Struct):
    """One component of a send. Meta's examples write `index` both as text and as number."""

    type: str
    parameters: list[Parameter] = []
    sub_type: str = ""
    index: int | str = 0
    cards: list[dict[str, object]] = []


def fill(components: list[Component], shape: Shape, category: str) -> tuple[str, ...] | Refusal:
    """Return the values a send brings, in order, or the refusal of the first that does not fit."""
    values: list[str] = []
    refusal: Refusal | None = None
    headers = bodies = cards = 0
    buttons: set[int] = set()
    for component in components:
        kind = component.type.lower()
        if kind == "body":
            bodies = len(component.parameters)
            refusal = _fill_body(component.parameters, shape, category, values)
        elif kind == "header":
            headers = len(component.parameters)
            refusal = _fill_header(component.parameters, shape, values)
        elif kind == "button":
            refusal = _fill_button(component, shape, buttons, values)
        elif kind == "carousel":
            cards = len(component.cards)
            values.append(msgspec.json.encode(component.cards).decode())
        elif kind != "limited_time_offer":
            refusal = Refusal(100, f"Unknown component type {component.type}.")
        if refusal is not None:
            return refusal
    if headers != shape.header_count or bodies != shape.body_count or cards != shape.cards:
        return Refusal(132000, _count_details(bodies, shape.body_count))
    if not (shape.dynamic_buttons | shape.coupon_buttons) <= buttons:
        return Refusal(132000, "A button with a variable has no parameter.")
    return tuple(values)


def _fill_body(
    parameters: list[Parameter], shape: Shape, category: str, values: list[str]
) -> Refusal | None:
    """Add the body's values, or return why they do not fit."""
    if len(parameters) != shape.body_count:
        return Refusal(132000, _count_details(len(parameters), shape.body_count))
    length = 0
    for parameter in parameters:
        if parameter.type in {"currency", "date_time"}:
            values.append(parameter.type)
            continue
        refusal = text_refusal(parameter) or _name_refusal(parameter, shape)
        if refusal is not None:
            return refusal
        text = parameter.text or ""
        length += len(text)
        values.append(text if not shape.body_names else f"{parameter.parameter_name}={text}")
    if shape.body_names and len({p.parameter_name for p in parameters}) != shape.body_count:
        return Refusal(132000, "A named parameter occurs twice.")
    return _length_refusal(length, shape, category)


def _name_refusal(parameter: Parameter, shape: Shape) -> Refusal | None:
    """Return why a parameter's name does not fit a named or positional template, or None."""
    if shape.body_names:
        if parameter.parameter_name not in shape.body_names:
            return Refusal(132012, "Parameter name is missing or unknown.")
    elif parameter.parameter_name is not None:
        return Refusal(132012, "The template has positional parameters.")
    return None


def _length_refusal(length: int, shape: Shape, category: str) -> Refusal | None:
    """Return why the parameters are too long together, or None."""
    if category == "AUTHENTICATION" and length > AUTHENTICATION_CHARS_MAX:
        return Refusal(132018, "Authentication parameters have at most 15 characters.")
    # Only what could overflow is rendered exactly: the hot path stays cheap.
    if (
        length + len(shape.body) > BODY_CHARS_MAX
        and length + len(VARIABLE.sub("", shape.body)) > BODY_CHARS_MAX
    ):
        return Refusal(132005)
    return None


def _fill_header(parameters: list[Parameter], shape: Shape, values: list[str]) -> Refusal | None:
    """Add the header's value, or return why it does not fit."""
    if len(parameters) != shape.header_count:
        return Refusal(132000, _count_details(len(parameters), shape.header_count))
    for parameter in parameters:
        if parameter.type != shape.header:
            return Refusal(132012, f"header: expected {shape.header}, got {parameter.type}.")
        if shape.header == "text":
            if (refusal := text_refusal(parameter)) is not None:
                return refusal
            values.append(parameter.text or "")
        elif shape.header == "location":
            values.append(msgspec.json.encode(parameter.location).decode())
        else:
            media: MediaRef | None = getattr(parameter, parameter.type)
            if media is None or not (media.id or media.link):
                return Refusal(131008, "header: media needs an id or a link.")
            values.append(media.id or media.link)
    return None


def _fill_button(
    component: Component, shape: Shape, buttons: set[int], values: list[str]
) -> Refusal | None:
    """Add a button's value, or return why it does not fit."""
    try:
        index = int(component.index)
    except ValueError:
        return Refusal(100, "button: index must be a number.")
    kind = component.sub_type.lower()
    if kind == "url" and index not in shape.dynamic_buttons:
        return Refusal(132000, f"button {index} takes no parameter.")
    if kind == "copy_code" and index not in shape.coupon_buttons:
        return Refusal(132012, f"button {index} is no coupon.")
    if len(component.parameters) != 1:
        return Refusal(132000, _count_details(len(component.parameters), 1))
    parameter = component.parameters[0]
    value = parameter.text or parameter.payload or parameter.coupon_code
    if value is None and parameter.action is not None:
        value = msgspec.json.encode(parameter.action).decode()
    if not value:
        return Refusal(131008, f"button {index}: the parameter is empty.")
    buttons.add(index)
    values.append(value)
    return None


def text_refusal(parameter: Parameter) -> Refusal | None:
    """Return why a text parameter may not be sent, or None."""
    if parameter.type != "text":
        return Refusal(132012, f"expected text, got {parameter.type}.")
    text = parameter.text
    if not text or text.isspace():
        return Refusal(131008, "Parameter text is missing or empty.")
    if FORBIDDEN.search(text):
        details = "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"
        return Refusal(132012, details)
    return None


def _count_details(got: int, expected: int) -> str:
    """Return Meta's wording of a count mismatch."""
    return f"number of localizable_params ({got}) does not match the expected number ({expected})"


def shape_of(components: list[dict[str, object]]) -> Shape:
    """Return what a send must bring for a template of these components."""
    shape = Shape()
    for component in components:
        kind = str(component.get("type", "")).lower()
        if kind == "header":
            shape = _with_header(shape, component)
        elif kind == "body":
            shape = _with_body(shape, component)
        elif kind == "buttons":
            shape = _with_buttons(shape, _parts(component, "buttons"))
        elif kind == "carousel":
            shape = msgspec.structs.replace(shape, cards=len(_parts(component, "cards")))
        elif kind not in {"footer", "limited_time_offer"}:
            raise ShapeError(f"unknown component type `{kind}`")
    return shape


def _with_header(shape: Shape, component: dict[str, object]) -> Shape:
    """Return the shape with its header: a text with at most one variable, or media."""
    form = str(component.get("format", "TEXT")).lower()
    if form in MEDIA:
        return msgspec.structs.replace(shape, header=form, header_count=1)
    names = VARIABLE.findall(str(component.get("text", "")))
    if len(names) > 1:
        raise ShapeError("a header has at most one variable")
    return msgspec.structs.replace(shape, header="text", header_count=len(names))


def _with_body(shape: Shape, component: dict[str, object]) -> Shape:
    """Return the shape with its body; an authentication body has no text and one code."""
    text = str(component.get("text", ""))
    if not text:
        return msgspec.structs.replace(shape, body_count=1)
    names = cast("list[str]", VARIABLE.findall(text))
    named = frozenset(name for name in names if not name.isdecimal())
    count = len(named) or len(set(names))
    return msgspec.structs.replace(shape, body=text, body_count=count, body_names=named)


def _with_buttons(shape: Shape, buttons: list[dict[str, object]]) -> Shape:
    """Return the shape with the buttons that want a parameter of their own."""
    dynamic: set[int] = set()
    coupons: set[int] = set()
    for index, button in enumerate(buttons):
        kind = str(button.get("type", "")).lower()
        if kind == "otp" or (kind == "url" and "{{" in str(button.get("url", ""))):
            dynamic.add(index)
        elif kind == "copy_code":
            coupons.add(index)
    return msgspec.structs.replace(
        shape, dynamic_buttons=frozenset(dynamic), coupon_buttons=frozenset(coupons)
    )


def _parts(component: dict[str, object], name: str) -> list[dict[str, object]]:
    """Return a component's list of parts, or refuse what is no list of objects."""
    try:
        return msgspec.convert(component.get(name, []), list[dict[str, object]])
    except msgspec.ValidationError as error:
        raise ShapeError(f"{name}: {error}") from error
