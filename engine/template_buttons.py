"""What is wrong with the buttons of a template that somebody wants to submit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from engine.template_rules import (
    CHATS,
    COUPON_MAX,
    LABEL_MAX,
    LINKS,
    PHONE_MAX,
    SHORTENERS,
    URL_MAX,
    Profile,
)
from engine.templates import Violation, upper

_DYNAMIC = re.compile(r"\{\{\s*(?:1|[a-z][a-z0-9_]*)\s*\}\}$")
_PHONE = re.compile(r"\+?[0-9]{3,19}")
_UNLABELLED = ("OTP", "COPY_CODE", "CATALOG", "SPM")  # Meta writes or offers the label


def check_buttons(
    buttons: Sequence[Mapping[str, object]],
    pointer: str,
    profile: Profile,
    tracking: str = "",
) -> list[Violation]:
    """Return what is wrong with buttons; `tracking` is how the account wants dynamic URLs to begin.

    https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/components
    """
    kinds = [upper(button, "type") for button in buttons]
    violations: list[Violation] = []
    if not buttons:
        detail = "names no button; give one, or leave the component out"
        violations.append(Violation(f"{pointer}", "missing", detail))
    if len(buttons) > profile.buttons_max:
        detail = f"has {len(buttons)} buttons, the limit is {profile.buttons_max}; leave some out"
        violations.append(Violation(pointer, "too_many_buttons", detail))
    violations += _check_kinds(kinds, pointer, profile)
    for place, (kind, button) in enumerate(zip(kinds, buttons, strict=True)):
        here = f"{pointer}/{place}"
        if kind not in profile.each_max:
            known = ", ".join(profile.each_max)
            violations.append(
                Violation(f"{here}/type", "unknown_button", f"must be one of {known}")
            )
            continue
        violations += _check_label(button, here, kind)
        if kind == "URL":
            violations += check_url(button, here, tracking)
        elif kind == "PHONE_NUMBER":
            violations += _check_phone(button, here)
        elif kind == "COPY_CODE":
            violations += _check_coupon(button, here)
    return violations


def check_url(button: Mapping[str, object], pointer: str, tracking: str = "") -> list[Violation]:
    """Return what is wrong with the address of a URL button: full, and dynamic only at its end."""
    url = button.get("url")
    here = f"{pointer}/url"
    if not isinstance(url, str) or not url:
        return [Violation(here, "missing", "a URL button needs a full URL: https://…")]
    violations = _check_address(url, here)
    if "{{" not in url and "}}" not in url:
        return violations
    if url.count("{{") != 1 or not _DYNAMIC.search(url):
        detail = "may hold one variable, {{1}}, and only at its very end; move it there"
        violations.append(Violation(here, "variable_place", detail))
    elif tracking and not url.startswith(tracking):
        detail = f"this account tracks clicks: a dynamic URL begins with {tracking}; write that"
        violations.append(Violation(here, "tracking_base", detail))
    samples = button.get("example")
    sample = samples[0] if isinstance(samples, list) and samples else samples
    if not isinstance(sample, str) or not sample:
        detail = "a dynamic URL needs a sample; give `example`: the whole URL, filled in"
        violations.append(Violation(f"{pointer}/example", "missing_sample", detail))
    return violations


def _check_address(url: str, here: str) -> list[Violation]:
    violations: list[Violation] = []
    if len(url) > URL_MAX:
        detail = f"has {len(url)} characters, the limit is {URL_MAX}; shorten it"
        violations.append(Violation(here, "too_long", detail))
    host = _host_of(url)
    if host is None:
        detail = "is no full URL; begin with https:// and a host name, without spaces"
        violations.append(Violation(here, "not_full_url", detail))
    elif host in SHORTENERS:
        detail = f"goes through {host}, and Meta rejects short URLs; give the full one"
        violations.append(Violation(here, "short_url", detail))
    elif host in CHATS:
        detail = f"leads back to WhatsApp ({host}), which Meta rejects; give a page of your own"
        violations.append(Violation(here, "whatsapp_url", detail))
    return violations


def _host_of(url: str) -> str | None:
    """Return the host of a full URL; None for what is none."""
    if any(character.isspace() for character in url):
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "{" in host:
        return None
    return host.lower() if "." in host.strip(".") else None


def _check_kinds(kinds: Sequence[str], pointer: str, profile: Profile) -> list[Violation]:
    violations: list[Violation] = []
    for kind, most in profile.each_max.items():
        if kinds.count(kind) > most and most < profile.buttons_max:
            detail = f"has {kinds.count(kind)} {kind} buttons, the limit is {most}; leave some out"
            violations.append(Violation(pointer, "too_many_buttons", detail))
    replies = [place for place, kind in enumerate(kinds) if kind == "QUICK_REPLY"]
    if replies and replies[-1] - replies[0] + 1 != len(replies):
        detail = "quick replies stand together; move the other buttons before or after them"
        violations.append(Violation(pointer, "interleaved", detail))
    if not profile.mixes and replies and any(kind in LINKS for kind in kinds):
        detail = "has quick replies or calls to action, not both; leave one kind out"
        violations.append(Violation(pointer, "mixed_buttons", detail))
    return violations


def _check_label(button: Mapping[str, object], pointer: str, kind: str) -> list[Violation]:
    label = button.get("text")
    here = f"{pointer}/text"
    if label is None and kind in _UNLABELLED:
        return []
    if not isinstance(label, str) or not label.strip():
        return [Violation(here, "missing", "a button needs a label; give `text`")]
    if len(label) > LABEL_MAX:
        detail = f"has {len(label)} characters, the limit is {LABEL_MAX}; shorten it"
        return [Violation(here, "too_long", detail)]
    if "{{" in label:
        return [Violation(here, "variable", "a label takes no variables; write it out")]
    return []


def _check_phone(button: Mapping[str, object], pointer: str) -> list[Violation]:
    number = button.get("phone_number")
    here = f"{pointer}/phone_number"
    if not isinstance(number, str) or not number:
        return [Violation(here, "missing", "a phone button needs `phone_number`")]
    if len(number) > PHONE_MAX or not _PHONE.fullmatch(number.replace(" ", "")):
        detail = f"must be digits, at most {PHONE_MAX}, with a leading + and country code"
        return [Violation(here, "not_a_number", detail)]
    return []


def _check_coupon(button: Mapping[str, object], pointer: str) -> list[Violation]:
    sample = button.get("example")
    sample = sample[0] if isinstance(sample, list) and sample else sample
    here = f"{pointer}/example"
    if not isinstance(sample, str) or not sample:
        return [Violation(here, "missing_sample", "a copy-code button needs a sample `example`")]
    if len(sample) > COUPON_MAX:
        detail = f"has {len(sample)} characters, a code has at most {COUPON_MAX}; shorten it"
        return [Violation(here, "too_long", detail)]
    return []
