"""What a person would see of a template, filled in with parameters or with its own samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.templates import FIELD, mappings, upper, variables

_EMPTY: Mapping[str, object] = {}
SAMPLE = "sample"  # where Meta's list carries no example; templates of the manager often have none


def render(
    components: Sequence[Mapping[str, object]], filling: Sequence[Mapping[str, object]]
) -> dict[str, object]:
    """Return header, body, footer and buttons as a person sees them; `filling` fits the template.

    >>> hi = [{"type": "BODY", "text": "Hi {{1}}."}]
    >>> ada = [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}]
    >>> render(hi, ada)
    {'header': None, 'body': 'Hi Ada.', 'footer': None, 'buttons': []}
    """
    given = {_name_of(each): mappings(each.get("parameters")) for each in filling}
    seen: dict[str, object] = {"header": None, "body": None, "footer": None, "buttons": []}
    for component in components:
        kind = upper(component, "type")
        text = str(component.get("text", ""))
        if kind == "HEADER" and upper(component, "format") not in ("", "TEXT"):
            media = upper(component, "format").lower()
            parameters = given.get("header", [])
            shown = parameters[0].get(media) if parameters else None
            seen["header"] = {"type": media, media: shown}
        elif kind in ("HEADER", "BODY"):
            seen[kind.lower()] = _filled(text, given.get(kind.lower(), []))
        elif kind == "FOOTER":
            seen["footer"] = text or None
        elif kind == "BUTTONS":
            buttons = mappings(component.get("buttons"))
            seen["buttons"] = [
                _button(each, given.get(f"button {place}", []))
                for place, each in enumerate(buttons)
            ]
        elif kind == "CAROUSEL":
            seen["cards"] = _cards(component, filling)
    return seen


def samples(
    components: Sequence[Mapping[str, object]], *, is_named: bool, is_authentication: bool
) -> list[dict[str, object]]:
    """Return parameters for every variable of text, from the template's own samples.

    Media of a header cannot be had from a sample's handle: give it yourself.
    """
    filling: list[dict[str, object]] = []
    for component in components:
        kind = upper(component, "type")
        names = variables(str(component.get("text", "")))
        if kind == "BODY" and is_authentication:
            names = names or ("1",)
        if kind in ("HEADER", "BODY") and names:
            texts = _samples(component, kind.lower(), names, is_named=is_named)
            filling.append({"type": kind.lower(), "parameters": texts})
        elif kind == "BUTTONS":
            filling += _sampled_buttons(mappings(component.get("buttons")))
    return filling


def _samples(
    component: Mapping[str, object], what: str, names: Sequence[str], *, is_named: bool
) -> list[dict[str, object]]:
    example = component.get("example")
    example = example if isinstance(example, Mapping) else _EMPTY
    if is_named:
        listed = mappings(example.get(f"{what}_text_named_params"))
        known = {str(each.get("param_name")): str(each.get("example")) for each in listed}
        return [
            {"type": "text", "parameter_name": name, "text": known.get(name) or SAMPLE}
            for name in names
        ]
    rows = example.get(f"{what}_text")
    first = rows[0] if isinstance(rows, list) and rows else None
    texts = first if isinstance(first, list) else rows
    texts = texts if isinstance(texts, list) else []
    filled = [str(text) for text in texts] + [SAMPLE] * len(names)
    return [{"type": "text", "text": text} for text in filled[: len(names)]]


def _sampled_buttons(buttons: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    filling: list[dict[str, object]] = []
    for index, button in enumerate(buttons):
        kind, url = upper(button, "type"), str(button.get("url", ""))
        example = button.get("example")
        example = example[0] if isinstance(example, list) and example else example
        sample = str(example or SAMPLE)
        parameter: dict[str, object] = {"type": "text", "text": sample}
        if kind == "COPY_CODE":
            parameter = {"type": "coupon_code", "coupon_code": sample}
        elif kind == "URL" and variables(url):
            parameter["text"] = sample.removeprefix(FIELD.split(url)[0]) or SAMPLE
        elif kind != "OTP":
            continue
        sub_type = "copy_code" if kind == "COPY_CODE" else "url"
        filling.append(
            {"type": "button", "sub_type": sub_type, "index": index, "parameters": [parameter]}
        )
    return filling


def _filled(text: str, parameters: Sequence[Mapping[str, object]]) -> str:
    """Return a text with its variables filled in; a variable without a value stays as it is."""
    names = variables(text)
    values: dict[str, str] = {}
    for place, parameter in enumerate(parameters):
        name = parameter.get("parameter_name")
        name = str(name) if name is not None else names[place] if place < len(names) else ""
        values[name] = _shown(parameter)
    return FIELD.sub(lambda found: values.get(found.group(1), found.group()), text)


def _shown(parameter: Mapping[str, object]) -> str:
    kind = str(parameter.get("type", ""))
    value = parameter.get(kind)
    if isinstance(value, Mapping):  # currency and date_time carry what to show
        return str(value.get("fallback_value", ""))
    return str(value if value is not None else "")


def _button(
    button: Mapping[str, object], parameters: Sequence[Mapping[str, object]]
) -> dict[str, object]:
    shown: dict[str, object] = {"type": upper(button, "type"), "text": button.get("text")}
    value = _shown(parameters[0]) if parameters else ""
    if "url" in button:
        shown["url"] = FIELD.sub(lambda found: value or found.group(), str(button["url"]))
    elif "phone_number" in button:
        shown["phone_number"] = button["phone_number"]
    elif value:
        shown["value"] = value
    return shown


def _cards(
    component: Mapping[str, object], filling: Sequence[Mapping[str, object]]
) -> list[dict[str, object]]:
    carousel = next((e for e in filling if str(e.get("type", "")).lower() == "carousel"), _EMPTY)
    given = mappings(carousel.get("cards"))
    cards: list[dict[str, object]] = []
    for place, card in enumerate(mappings(component.get("cards"))):
        parts = mappings(given[place].get("components")) if place < len(given) else []
        cards.append(render(mappings(card.get("components")), parts))
    return cards


def _name_of(component: Mapping[str, object]) -> str:
    kind = str(component.get("type", "")).lower()
    return f"button {component.get('index', '')}" if kind == "button" else kind
