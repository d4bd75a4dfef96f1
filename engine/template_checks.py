"""Everything that is wrong with a template before Meta sees it: each with place and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.directory import Template
from engine.model import Category, TemplateStatus
from engine.template_buttons import check_buttons
from engine.template_rules import (
    CARD_BODY_MAX,
    CARD_BUTTONS_MAX,
    CARDS,
    CODE_MINUTES,
    COMPONENTS,
    FOOTER_MAX,
    HEADER_MAX,
    META,
    NAME_MAX,
    OFFER_BODY_MAX,
    SAMPLED_HEADERS,
    Profile,
)
from engine.templates import Violation, mappings, upper

GONE = frozenset({TemplateStatus.DELETED, TemplateStatus.PENDING_DELETION})
_NAME = re.compile(r"[a-z0-9_]+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2}|_[A-Z][a-z]{3})?")
_VARIABLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAMED = re.compile(r"[a-z][a-z0-9_]*")
_POSITION = re.compile(r"[1-9][0-9]?")
_FORBIDDEN = re.compile(r"[#$%]")
_NO_WORD = re.compile(r"[\s\W_]*")
_EMPTY: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class Draft:
    """A template as somebody wants it, in Meta's component JSON."""

    name: str
    language: str
    category: str
    components: Sequence[Mapping[str, object]]
    parameter_format: str = "POSITIONAL"


def check_template(
    draft: Draft,
    profile: Profile = META,
    others: Iterable[Template] = (),
    tracking: str = "",
) -> list[Violation]:
    """Return everything that is wrong with a draft, in the order of its parts; best empty.

    `others` are the account's templates, for the rule against twins; `tracking` is what the
    account's dynamic URLs begin with, or empty.
    """
    violations = check_identity(draft, profile) + _check_kinds(draft)
    parts = {upper(each, "type"): (place, each) for place, each in enumerate(draft.components)}
    for kind, (place, component) in parts.items():
        pointer = f"/components/{place}"
        if kind == "HEADER":
            violations += _check_header(component, pointer, draft, profile)
        elif kind == "BODY" and draft.category != "AUTHENTICATION":
            most = OFFER_BODY_MAX if "LIMITED_TIME_OFFER" in parts else profile.body_max
            violations += check_text(component, pointer, draft, most, "body")
        elif kind == "FOOTER" and draft.category != "AUTHENTICATION":
            violations += _check_footer(component, pointer)
        elif kind == "BUTTONS":
            violations += _check_list(component.get("buttons"), f"{pointer}/buttons")
            buttons = mappings(component.get("buttons"))
            violations += check_buttons(buttons, f"{pointer}/buttons", profile, tracking)
        elif kind == "CAROUSEL":
            violations += _check_cards(component, pointer, draft, profile, tracking)
    if draft.category == "AUTHENTICATION":
        violations += _check_authentication(parts)
    elif "BODY" not in parts:
        detail = "has no BODY, the one component that every template needs; add it"
        violations.append(Violation("/components", "missing", detail))
    return violations + _check_twins(draft, others)


def check_text(
    component: Mapping[str, object], pointer: str, draft: Draft, most: int, what: str
) -> list[Violation]:
    """Return what is wrong with a text that may hold variables, and with its samples."""
    text = component.get("text")
    here = f"{pointer}/text"
    if not isinstance(text, str) or not text.strip():
        return [Violation(here, "missing", f"the {what} needs a text; give `text`")]
    violations: list[Violation] = []
    if len(text) > most:
        detail = f"has {len(text)} characters, the limit is {most}; shorten it"
        violations.append(Violation(here, "too_long", detail))
    found = _VARIABLE.findall(text)
    names = list(dict.fromkeys(name.strip() for name in found))
    rest = _VARIABLE.sub("", text)
    if "{{" in rest or "}}" in rest:
        detail = "holds braces that do not close; write variables as {{1}} or {{name}}"
        violations.append(Violation(here, "malformed_variable", detail))
    violations += _check_names(names, here, draft)
    if what == "body" and names:
        violations += _check_places(text, here)
    if what == "header" and len(found) > 1:
        detail = f"a header takes one variable, {len(found)} found; leave the others out"
        violations.append(Violation(here, "too_many_variables", detail))
    return violations + _check_samples(component, pointer, what, names, draft)


def check_identity(draft: Draft, profile: Profile = META) -> list[Violation]:
    """Return what is wrong with name, language, category and format."""
    violations: list[Violation] = []
    if not _NAME.fullmatch(draft.name):
        detail = "may hold only lowercase letters, digits and _; it can never be renamed"
        violations.append(Violation("/name", "name", detail))
    if len(draft.name) > NAME_MAX:
        detail = f"has {len(draft.name)} characters, the limit is {NAME_MAX}; shorten it"
        violations.append(Violation("/name", "too_long", detail))
    if not _LANGUAGE.fullmatch(draft.language):
        detail = "is no language of Meta's; write it like en, en_US or pt_BR"
        violations.append(Violation("/language", "language", detail))
    if draft.category not in profile.categories:
        known = ", ".join(profile.categories)
        detail = f"must be one of {known} (profile {profile.name})"
        violations.append(Violation("/category", "category", detail))
    if draft.parameter_format not in ("POSITIONAL", "NAMED"):
        detail = "must be POSITIONAL or NAMED"
        violations.append(Violation("/parameter_format", "parameter_format", detail))
    return violations


def _check_kinds(draft: Draft) -> list[Violation]:
    violations: list[Violation] = []
    seen: set[str] = set()
    for place, component in enumerate(draft.components):
        kind = upper(component, "type")
        if kind not in COMPONENTS:
            detail = f"must be one of {', '.join(COMPONENTS)}"
            violations.append(Violation(f"/components/{place}/type", "unknown_component", detail))
        elif kind in seen:
            detail = f"a template has one {kind}; join it with the first, or leave it out"
            violations.append(Violation(f"/components/{place}", "repeated_component", detail))
        seen.add(kind)
    return violations


def _check_header(
    component: Mapping[str, object], pointer: str, draft: Draft, profile: Profile
) -> list[Violation]:
    kind = upper(component, "format") or "TEXT"
    if kind not in profile.headers:
        detail = f"must be one of {', '.join(profile.headers)} (profile {profile.name})"
        return [Violation(f"{pointer}/format", "unknown_format", detail)]
    if kind == "TEXT":
        return check_text(component, pointer, draft, HEADER_MAX, "header")
    handles = _example(component).get("header_handle")
    if kind in SAMPLED_HEADERS and not (isinstance(handles, list) and handles and handles[0]):
        detail = f"a header with {kind.lower()} needs a sample; upload one with "
        detail += "POST /v1/wabas/{waba}/templates/samples and give its handle"
        return [Violation(f"{pointer}/example/header_handle", "missing_sample", detail)]
    return []


def _check_footer(component: Mapping[str, object], pointer: str) -> list[Violation]:
    text = component.get("text")
    here = f"{pointer}/text"
    if not isinstance(text, str) or not text.strip():
        return [Violation(here, "missing", "the footer needs a text; give it, or leave it out")]
    violations: list[Violation] = []
    if len(text) > FOOTER_MAX:
        detail = f"has {len(text)} characters, the limit is {FOOTER_MAX}; shorten it"
        violations.append(Violation(here, "too_long", detail))
    if "{{" in text:
        detail = "a footer takes no variables; write it out, or move it to the body"
        violations.append(Violation(here, "variable", detail))
    return violations


def _check_names(names: Sequence[str], here: str, draft: Draft) -> list[Violation]:
    violations: list[Violation] = []
    for name in names:
        if _FORBIDDEN.search(name):
            detail = f"{{{{{name}}}}} holds #, $ or %; use letters, digits and _ only"
            violations.append(Violation(here, "forbidden_character", detail))
        elif not _POSITION.fullmatch(name) and not _NAMED.fullmatch(name):
            detail = f"{{{{{name}}}}} is no variable; write {{{{1}}}} or {{{{first_name}}}}"
            violations.append(Violation(here, "malformed_variable", detail))
    positions = [int(name) for name in names if _POSITION.fullmatch(name)]
    named = [name for name in names if _NAMED.fullmatch(name)]
    if positions and named:
        detail = "mixes numbers and names; use {{1}}, {{2}} … or names throughout"
        violations.append(Violation(here, "mixed_variables", detail))
    elif named and draft.parameter_format != "NAMED":
        detail = 'has named variables; set `parameter_format` to "NAMED"'
        violations.append(Violation("/parameter_format", "parameter_format", detail))
    elif positions and draft.parameter_format == "NAMED":
        detail = 'has numbered variables; set `parameter_format` to "POSITIONAL"'
        violations.append(Violation("/parameter_format", "parameter_format", detail))
    if positions and sorted(positions) != list(range(1, len(positions) + 1)):
        detail = "must count {{1}}, {{2}} … without a gap; renumber them"
        violations.append(Violation(here, "variables_not_sequential", detail))
    return violations


def _check_places(text: str, here: str) -> list[Violation]:
    """Return where variables stand that Meta rejects: at an end, or beside each other."""
    violations: list[Violation] = []
    stripped = text.strip()
    if stripped.startswith("{{") or stripped.endswith("}}"):
        detail = "may not begin or end with a variable; put words around it"
        violations.append(Violation(here, "variable_at_end", detail))
    gaps = _VARIABLE.split(text)[2:-1:2]
    if any(_NO_WORD.fullmatch(gap) for gap in gaps):
        detail = "has variables side by side; put words between them"
        violations.append(Violation(here, "adjacent_variables", detail))
    return violations


def _check_samples(
    component: Mapping[str, object], pointer: str, what: str, names: Sequence[str], draft: Draft
) -> list[Violation]:
    if not names:
        return []
    example = _example(component)
    key = f"{what}_text"
    if draft.parameter_format == "NAMED":
        key += "_named_params"
        given = {
            each.get("param_name") for each in mappings(example.get(key)) if each.get("example")
        }
        missing = [name for name in names if name not in given]
    else:
        rows = example.get(key)
        first = rows[0] if isinstance(rows, list) and rows else None
        samples = first if isinstance(first, list) else rows
        filled = [each for each in samples if each] if isinstance(samples, list) else []
        missing = list(names[len(filled) :])
    if not missing:
        return []
    shown = ", ".join(f"{{{{{name}}}}}" for name in missing)
    detail = f"gives no sample for {shown}; add them, without anybody's real details"
    return [Violation(f"{pointer}/example/{key}", "missing_sample", detail)]


def _check_cards(
    component: Mapping[str, object], pointer: str, draft: Draft, profile: Profile, tracking: str
) -> list[Violation]:
    cards = mappings(component.get("cards"))
    violations = _check_list(component.get("cards"), f"{pointer}/cards")
    if len(cards) not in CARDS:
        detail = f"has {len(cards)} cards; give {CARDS.start} to {CARDS.stop - 1}"
        violations.append(Violation(f"{pointer}/cards", "count", detail))
    kinds: list[tuple[str, ...]] = []
    for place, card in enumerate(cards):
        here = f"{pointer}/cards/{place}/components"
        parts = mappings(card.get("components"))
        headers = [upper(part, "format") for part in parts if upper(part, "type") == "HEADER"]
        if not headers or headers[0] not in ("IMAGE", "VIDEO", "PRODUCT"):
            detail = "a card needs a header with an image or a video; add it"
            violations.append(Violation(here, "missing", detail))
        buttons: tuple[str, ...] = ()
        for index, part in enumerate(parts):
            at = f"{here}/{index}"
            if upper(part, "type") == "HEADER":
                violations += _check_header(part, at, draft, profile)
            elif upper(part, "type") == "BODY":
                violations += check_text(part, at, draft, CARD_BODY_MAX, "body")
            elif upper(part, "type") == "BUTTONS":
                listed = mappings(part.get("buttons"))
                buttons = tuple(upper(each, "type") for each in listed)
                violations += check_buttons(listed, f"{at}/buttons", profile, tracking)
        if len(buttons) > CARD_BUTTONS_MAX:
            detail = f"a card has at most {CARD_BUTTONS_MAX} buttons; leave some out"
            violations.append(Violation(here, "too_many_buttons", detail))
        kinds.append(buttons)
    if len(set(kinds)) > 1:
        detail = "all cards have the same kinds of buttons in the same order; make them alike"
        violations.append(Violation(f"{pointer}/cards", "cards_differ", detail))
    return violations


def _check_authentication(
    parts: Mapping[str, tuple[int, Mapping[str, object]]],
) -> list[Violation]:
    """Return what an authentication template may not have: Meta writes its words itself."""
    violations: list[Violation] = []
    for kind in ("HEADER", "CAROUSEL", "LIMITED_TIME_OFFER"):
        if kind in parts:
            detail = f"an authentication template has no {kind}; leave it out"
            violations.append(Violation(f"/components/{parts[kind][0]}", "not_allowed", detail))
    place, body = parts.get("BODY", (0, _EMPTY))
    if body.get("text"):
        detail = "Meta writes an authentication template's body; leave `text` out"
        violations.append(Violation(f"/components/{place}/text", "not_allowed", detail))
    place, footer = parts.get("FOOTER", (0, _EMPTY))
    minutes = footer.get("code_expiration_minutes", CODE_MINUTES.start)
    if minutes not in CODE_MINUTES:
        detail = f"must be {CODE_MINUTES.start} to {CODE_MINUTES.stop - 1}"
        pointer = f"/components/{place}/code_expiration_minutes"
        violations.append(Violation(pointer, "out_of_range", detail))
    place, found = parts.get("BUTTONS", (0, _EMPTY))
    kinds = [upper(each, "type") for each in mappings(found.get("buttons"))]
    if kinds != ["OTP"]:
        pointer = f"/components/{place}/buttons" if "BUTTONS" in parts else "/components"
        detail = "an authentication template has one button of type OTP and no other; add it"
        violations.append(Violation(pointer, "otp_button", detail))
    return violations


def _check_twins(draft: Draft, others: Iterable[Template]) -> list[Violation]:
    """Return the template that has the same body and footer: Meta rejects the second."""
    words = _words(draft.components)
    if draft.category == "AUTHENTICATION" or not words[0]:
        return []
    for other in others:
        stands = other.status not in GONE and other.category is not Category.AUTHENTICATION
        if stands and other.name != draft.name and _words(other.components) == words:
            detail = f"body and footer are those of {other.name} ({other.language}); Meta "
            detail += "rejects twins: change the words, or use that one"
            return [Violation("/components", "duplicate", detail)]
    return []


def _check_list(value: object, pointer: str) -> list[Violation]:
    """Return which places of a list hold no object; such a list's other places count anew."""
    items: list[object] = list(value) if isinstance(value, list) else []
    return [
        Violation(
            f"{pointer}/{place}", "wrong_type", "must be an object; see Meta's component JSON"
        )
        for place, item in enumerate(items)
        if not isinstance(item, Mapping)
    ]


def _words(components: Sequence[Mapping[str, object]]) -> tuple[str, str]:
    texts = {upper(each, "type"): str(each.get("text", "")).strip() for each in components}
    return texts.get("BODY", ""), texts.get("FOOTER", "")


def _example(component: Mapping[str, object]) -> Mapping[str, object]:
    example = component.get("example")
    return example if isinstance(example, Mapping) else _EMPTY
