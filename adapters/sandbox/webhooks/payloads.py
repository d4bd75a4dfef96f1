"""Meta's webhook bodies, field by field as its pages below M/webhooks/reference tell."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import msgspec

from adapters.sandbox.world import Account, Number, Template

Value = dict[str, object]


class Pricing(msgspec.Struct, frozen=True):
    """What a message costs; per message since 2025-07-01: M/pricing."""

    billable: bool
    pricing_model: str
    type: str
    category: str


class Status(msgspec.Struct, omit_defaults=True, gc=False):
    """One element of `statuses[]` (M/webhooks/reference/messages/status)."""

    id: str
    status: str
    timestamp: str
    recipient_id: str = ""
    recipient_user_id: str = ""
    biz_opaque_callback_data: str = ""
    conversation: Value | None = None
    pricing: Pricing | None = None
    errors: list[Value] | None = None


class Change(msgspec.Struct, omit_defaults=True):
    """One change of one account; `time_s` is set for management fields only.

    M/webhooks/overview
    """

    waba_id: str
    field: str
    value: Value
    time_s: int = 0


def signature(secret: bytes, body: bytes) -> str:
    """Return X-Hub-Signature-256 of a raw body (M/webhooks/create-webhook-endpoint)."""
    return "sha256=" + hmac.digest(secret, body, "sha256").hex()


def envelope(changes: Sequence[Change]) -> bytes:
    """Return the POST body of some changes, one entry per account and moment."""
    entries: dict[tuple[str, int], list[Value]] = {}
    for change in changes:
        parts = entries.setdefault((change.waba_id, change.time_s), [])
        parts.append({"value": change.value, "field": change.field})
    return msgspec.json.encode(
        {
            "object": "whatsapp_business_account",
            "entry": [
                {"id": waba_id, "time": time_s, "changes": parts}
                if time_s
                else {"id": waba_id, "changes": parts}
                for (waba_id, time_s), parts in entries.items()
            ],
        }
    )


def metadata(number: Number) -> Value:
    """Return the value every change of a number starts with."""
    return {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": number.digits,
            "phone_number_id": number.id,
        },
    }


def statuses(number: Number, updates: list[Status]) -> Change:
    """Return the change that brings status updates of one number."""
    return Change(number.waba_id, "messages", {**metadata(number), "statuses": updates})


def inbound(number: Number, wa_id: str, message: Value, *, is_user_id: bool) -> Change:
    """Return the change that brings a user's message (M/webhooks/reference/messages)."""
    contact: Value = {"profile": {"name": "Sandbox User"}}
    contact["user_id" if is_user_id else "wa_id"] = wa_id
    sender: Value = {"from_user_id" if is_user_id else "from": wa_id}
    value = {**metadata(number), "contacts": [contact], "messages": [{**sender, **message}]}
    return Change(number.waba_id, "messages", value)


def call(number: Number, wa_id: str, call_id: str, at_ms: int) -> Change:
    """Return the change that brings a user's call (M/calling/user-initiated-calls)."""
    told: Value = {
        "id": call_id,
        "from": wa_id,
        "to": number.digits,
        "event": "connect",
        "timestamp": str(at_ms // 1_000),
        "direction": "USER_INITIATED",
    }
    contact: Value = {"profile": {"name": "Sandbox User"}, "wa_id": wa_id}
    value = {**metadata(number), "contacts": [contact], "calls": [told]}
    return Change(number.waba_id, "calls", value)


def preference(number: Number, wa_id: str, choice: str, at_ms: int) -> Change:
    """Return the change of a user's marketing stop or resume; its timestamp is an integer."""
    detail = f"User requested to {choice} marketing messages"
    update: Value = {
        "wa_id": wa_id,
        "detail": detail,
        "category": "marketing_messages",
        "value": choice,
        "timestamp": at_ms // 1_000,
    }
    contact: Value = {"profile": {"name": "Sandbox User"}, "wa_id": wa_id}
    value = {**metadata(number), "contacts": [contact], "user_preferences": [update]}
    return Change(number.waba_id, "user_preferences", value)


def template_status(template: Template, at_ms: int, event: str, extra: Value) -> Change:
    """Return message_template_status_update; `extra` holds its optional fields."""
    identity = template.id
    value: Value = {
        "event": event,
        "message_template_id": int(identity) if identity.isdecimal() else identity,
        "message_template_name": template.name,
        "message_template_language": template.language,
        "reason": "NONE",
        "message_template_category": template.category,
        **extra,
    }
    return Change(template.waba_id, "message_template_status_update", value, at_ms // 1_000)


def template_quality(template: Template, former: str, at_ms: int) -> Change:
    """Return message_template_quality_update."""
    identity = template.id
    value: Value = {
        "previous_quality_score": former,
        "new_quality_score": template.quality,
        "message_template_id": int(identity) if identity.isdecimal() else identity,
        "message_template_name": template.name,
        "message_template_language": template.language,
    }
    field = "message_template_quality_update"
    return Change(template.waba_id, field, value, at_ms // 1_000)


def capability(account: Account, limit: int, at_ms: int) -> Change:
    """Return business_capability_update; numbers per business only at 250."""
    value: Value = {
        "max_daily_conversations_per_business": limit,
        "max_phone_numbers_per_waba": 25,
    }
    if limit == 250:  # noqa: PLR2004 (the first level, where the page adds this field)
        value["max_phone_numbers_per_business"] = 2
    return Change(account.id, "business_capability_update", value, at_ms // 1_000)


def account_restriction(account: Account, until_ms: int | None, at_ms: int) -> Change:
    """Return account_update of a block that stops every message."""
    kinds = ("RESTRICTED_BIZ_INITIATED_MESSAGING", "RESTRICTED_CUSTOMER_INITIATED_MESSAGING")
    restrictions: list[Value] = [{"restriction_type": kind} for kind in kinds]
    if until_ms is not None:
        for restriction in restrictions:
            restriction["expiration"] = -(-until_ms // 1_000)
    value: Value = {"event": "ACCOUNT_RESTRICTION", "restriction_info": restrictions}
    return Change(account.id, "account_update", value, at_ms // 1_000)


def account_reinstated(account: Account, at_ms: int) -> Change:
    """Return account_update of an account that may send again."""
    value: Value = {
        "event": "DISABLED_UPDATE",
        "ban_info": {"waba_ban_state": "REINSTATE", "waba_ban_date": ""},
    }
    return Change(account.id, "account_update", value, at_ms // 1_000)


def number_name(number: Number, decision: str, at_ms: int) -> Change:
    """Return phone_number_name_update."""
    value: Value = {
        "display_phone_number": number.digits,
        "decision": decision,
        "requested_verified_name": number.verified_name,
        "rejection_reason": None,
    }
    return Change(number.waba_id, "phone_number_name_update", value, at_ms // 1_000)


def number_quality(number: Number, event: str, limit: str, at_ms: int) -> Change:
    """Return phone_number_quality_update."""
    value: Value = {
        "display_phone_number": number.digits,
        "event": event,
        "current_limit": limit,
    }
    return Change(number.waba_id, "phone_number_quality_update", value, at_ms // 1_000)
