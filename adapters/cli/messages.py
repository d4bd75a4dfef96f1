"""A template message from the command line's parameters, in the shape the template wants."""

from __future__ import annotations

from typing import Any

import typer

from adapters.cli.client import Caller


def template_message(
    caller: Caller,
    sender_id: str,
    name: str,
    language: str,
    body: list[str],
    header: list[str],
    buttons: list[str],
) -> dict[str, object]:
    """Return the message; a template with named variables takes NAME=VALUE."""
    waba = str(caller.call("GET", "v1", "senders", sender_id)["waba_id"])
    template = caller.call("GET", "v1", "wabas", waba, "templates", name, language)
    components = filling(template, body, header, buttons)
    shown: dict[str, object] = {"name": name, "language": {"code": language}}
    if components:
        shown["components"] = components
    return {"type": "template", "template": shown}


def filling(
    template: dict[str, Any], body: list[str], header: list[str], buttons: list[str]
) -> list[dict[str, object]]:
    """Return the components of a message that fill a template in with these texts."""
    is_named = template.get("parameter_format") == "NAMED"
    components: list[dict[str, object]] = []
    if header:
        components.append({"type": "header", "parameters": _texts(header, is_named=is_named)})
    if body:
        components.append({"type": "body", "parameters": _texts(body, is_named=is_named)})
    if not buttons and template.get("category") == "AUTHENTICATION":
        buttons = body[:1]  # Meta wants the code twice
    for (index, kind), text in zip(_dynamic_buttons(template), buttons, strict=False):
        parameter = {"type": "text", "text": text}
        if kind == "copy_code":
            parameter = {"type": "coupon_code", "coupon_code": text}
        components.append(
            {"type": "button", "sub_type": kind, "index": str(index), "parameters": [parameter]}
        )
    return components


def _texts(texts: list[str], *, is_named: bool) -> list[dict[str, str]]:
    if not is_named:
        return [{"type": "text", "text": text} for text in texts]
    parameters: list[dict[str, str]] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"the template's variables have names: write NAME={text}")
        parameters.append({"type": "text", "parameter_name": name, "text": value})
    return parameters


def _dynamic_buttons(template: dict[str, Any]) -> list[tuple[int, str]]:
    """Return index and kind of the buttons that want a parameter."""
    found: list[tuple[int, str]] = []
    for component in template.get("components", ()):
        for index, button in enumerate(component.get("buttons", ())):
            kind = str(button.get("type", "")).upper()
            if kind == "OTP" or (kind == "URL" and "{{" in str(button.get("url", ""))):
                found.append((index, "url"))
            elif kind == "COPY_CODE":
                found.append((index, "copy_code"))
    return found
