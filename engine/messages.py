"""What a caller may ask us to send: a message checked against its template, or free-form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from engine.directory import Campaign, Directory, template_key
from engine.errors import InvalidJobError
from engine.model import Category, TemplateStatus, WabaId
from engine.template_fit import check_message

FREE_FORM = (
    *("text", "image", "video", "audio", "document", "sticker", "location", "contacts"),
    *("interactive", "reaction"),
)
TEXT_MAX = 4_096  # characters of a text message: M/messages/text-messages
NEVER_AGAIN = frozenset({TemplateStatus.REJECTED, TemplateStatus.DISABLED, TemplateStatus.DELETED})
REPEATS = {Category.AUTHENTICATION: 2, Category.UTILITY: 1}  # after doubts, unless the caller says
FIELD = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")  # as engine.contents finds them
DELIVERIES = ("", "at_most_once", "at_least_once")


@dataclass(slots=True)
class CheckedMessage:
    """What a message is, and what is wrong with it."""

    template: str = ""  # its key; empty for free-form
    category: Category = Category.SERVICE
    errors: list[InvalidJobError] = field(default_factory=list[InvalidJobError])


class SeveralErrors(InvalidJobError):  # noqa: N818 (it is a set of errors)
    """Everything that is wrong with one job."""

    def __init__(self, errors: list[InvalidJobError]) -> None:
        first = errors[0]
        super().__init__(first.detail, pointer=first.pointer, code=first.code)
        self.all = errors


def repeats_max(category: Category, delivery: str) -> int:
    """Return how many copies may follow a doubt.

    >>> repeats_max(Category.AUTHENTICATION, ""), repeats_max(Category.MARKETING, "")
    (2, 0)
    """
    if delivery == "at_most_once":
        return 0
    return REPEATS.get(category, 1 if delivery == "at_least_once" else 0)


def check_job_message(
    directory: Directory, waba: WabaId, message: Mapping[str, object]
) -> CheckedMessage:
    """Return what a message from a sender of `waba` is; pointers start at the job."""
    checked = CheckedMessage()
    errors = checked.errors
    errors += [
        _error(f"/message/{name}", "misplaced", "give the recipient as `to`, beside the message")
        for name in ("to", "recipient")
        if name in message
    ]
    kind = message.get("type", "text" if "text" in message else None)
    if kind == "template":
        _check_template(directory, waba, message, checked)
    elif kind not in FREE_FORM:
        known = ", ".join(("template", *FREE_FORM))
        errors.append(_error("/message/type", "unknown_type", f"must be one of {known}"))
    elif not isinstance(message.get(str(kind)), (Mapping, list)):
        errors.append(_error(f"/message/{kind}", "missing", f"a `{kind}` message needs `{kind}`"))
    elif kind == "text":
        _check_text(message["text"], errors)
    return checked


def misfits(directory: Directory, campaign: Campaign) -> list[InvalidJobError]:
    """Return why a campaign's message does not fit its templates as they are now; best empty."""
    known = [directory.senders[name] for name in campaign.senders if name in directory.senders]
    errors: dict[tuple[str, str], InvalidJobError] = {}
    for waba in dict.fromkeys(sender.waba_id for sender in known):  # a thousand senders, few WABAs
        for error in check_job_message(directory, waba, campaign.message).errors:
            errors.setdefault((error.pointer, error.code), error)
    return list(errors.values())


def fields_of(message: object) -> tuple[str, ...]:
    """Return the recipient fields that a campaign's message names, each once, in order."""
    return tuple(dict.fromkeys(name for text in _texts(message) for name in FIELD.findall(text)))


def _check_template(
    directory: Directory, waba: WabaId, message: Mapping[str, object], checked: CheckedMessage
) -> None:
    template = message.get("template")
    if not isinstance(template, Mapping):
        checked.errors.append(_error("/message/template", "missing", "must be an object"))
        return
    name, language = template.get("name"), template.get("language")
    code = language.get("code") if isinstance(language, Mapping) else None
    if not isinstance(name, str) or not isinstance(code, str):
        detail = 'needs `name` and `language`: {"code": …}'
        checked.errors.append(_error("/message/template", "missing", detail))
        return
    key = template_key(waba, name, code)
    known = directory.templates.get(key)
    if known is None or not known.is_read:
        detail = _unknown_template(directory, waba, name, code)
        checked.errors.append(_error("/message/template/name", "unknown_template", detail))
        return
    checked.template, checked.category = key, known.category
    if known.status in NEVER_AGAIN:
        detail = f"is {known.status}; only APPROVED can be sent"
        checked.errors.append(_error("/message/template/name", "template_not_sendable", detail))
    checked.errors += [
        _error("/message" + each.pointer, each.code, each.detail)
        for each in check_message(directory.signature(key), template)
    ]


def _unknown_template(directory: Directory, waba: WabaId, name: str, code: str) -> str:
    """Return the sentence that leads from a wrong name to the right one."""
    here = [each for each in directory.templates.values() if each.waba_id == waba]
    if not here:
        return f"no template of WABA {waba} is known; import them first: penstock template import"
    languages = sorted(each.language for each in here if each.name == name)
    if languages:
        return f"{name} has no language {code}; it has {', '.join(languages)}"
    near = get_close_matches(name, {each.name for each in here}, n=1)
    hint = f"did you mean {near[0]}?" if near else "penstock template list shows them"
    return f"WABA {waba} has no template {name}; {hint}"


def _check_text(text: object, errors: list[InvalidJobError]) -> None:
    body = text.get("body") if isinstance(text, Mapping) else None
    if not isinstance(body, str) or not body.strip():
        errors.append(_error("/message/text/body", "missing", "a text message needs a body"))
    elif len(body) > TEXT_MAX:
        detail = f"has {len(body)} characters, the limit is {TEXT_MAX}"
        errors.append(_error("/message/text/body", "too_long", detail))


def _texts(value: object) -> Iterator[str]:
    """Yield every string value inside a JSON value, in document order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)


def _error(pointer: str, code: str, detail: str) -> InvalidJobError:
    return InvalidJobError(detail, pointer=pointer, code=code)
