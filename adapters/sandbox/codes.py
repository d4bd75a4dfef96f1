"""Meta's error codes as a sender meets them: HTTP status, title, and the JSON they come in.

Source of the table, read 2025-11 and 2026-05:
https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

HREF = "/documentation/business-messaging/whatsapp/support/error-codes"


class Code(NamedTuple):
    """One row: the documented HTTP status and title."""

    http: int
    title: str


CODES: dict[int, Code] = {
    0: Code(401, "AuthException"),
    1: Code(400, "API Unknown"),
    2: Code(503, "API Service"),
    3: Code(500, "API Method"),
    4: Code(400, "Application request limit reached"),
    10: Code(403, "Permission denied"),
    17: Code(400, "User request limit reached"),
    33: Code(400, "Parameter value is not valid"),
    100: Code(400, "Invalid parameter"),
    102: Code(401, "API Session"),
    190: Code(401, "Access token has expired"),
    200: Code(403, "API Permission"),
    341: Code(400, "Application limit reached"),
    368: Code(403, "Temporarily blocked for policies violations"),
    506: Code(400, "Duplicate post"),
    613: Code(400, "Calls to this api have exceeded the rate limit"),
    80007: Code(400, "Rate limit issues"),
    80008: Code(400, "There have been too many calls to this WhatsApp Business account"),
    130429: Code(400, "Rate limit hit"),
    130472: Code(400, "User's number is part of an experiment"),
    130497: Code(403, "Business account is restricted from messaging users in this country"),
    131000: Code(500, "Something went wrong"),
    131005: Code(403, "Access denied"),
    131008: Code(400, "Required parameter is missing"),
    131009: Code(400, "Parameter value is not valid"),
    131016: Code(500, "Service unavailable"),
    131021: Code(400, "Recipient cannot be sender"),
    131026: Code(400, "Message undeliverable"),
    131030: Code(400, "Recipient phone number not in allowed list"),
    131031: Code(403, "Account has been locked"),
    131037: Code(400, "Display name approval needed"),
    131042: Code(400, "Business eligibility payment issue"),
    131045: Code(500, "Incorrect certificate"),
    131047: Code(400, "Re-engagement message"),
    131048: Code(400, "Spam rate limit hit"),
    131049: Code(400, "This message was not delivered to maintain healthy ecosystem engagement."),
    131050: Code(400, "User has stopped receiving marketing messages from this business"),
    131051: Code(400, "Unsupported message type"),
    131052: Code(400, "Media download error"),
    131053: Code(400, "Media upload error"),
    131055: Code(400, "Only marketing templates are supported"),
    131056: Code(400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: Code(500, "Account in maintenance mode"),
    131059: Code(400, "Invalid paging cursor"),
    131062: Code(400, "Business-scoped user ID recipients are not supported for this message"),
    131063: Code(400, "Marketing templates are disabled on Cloud API"),
    131064: Code(400, "Messaging limit reached because of template classification violations"),
    132000: Code(400, "Template Param Count Mismatch"),
    132001: Code(404, "Template does not exist"),
    132005: Code(400, "Template Hydrated Text Too Long"),
    132007: Code(400, "Template Format Character Policy Violated"),
    132008: Code(400, "Template Param Value Invalid"),
    132012: Code(400, "Template Parameter Format Mismatch"),
    132015: Code(400, "Template is Paused"),
    132016: Code(400, "Template is Disabled"),
    132018: Code(400, "Template Parameter Validation Error"),
    132068: Code(400, "Flow is blocked"),
    132069: Code(400, "Flow is throttled"),
    133000: Code(500, "Incomplete deregistration"),
    133004: Code(503, "Server temporarily unavailable"),
    133006: Code(400, "Phone number re-verification needed"),
    133010: Code(400, "Phone number not registered"),
    133016: Code(400, "Account register deregister rate limit exceeded"),
    134011: Code(400, "Payments terms of service has not been accepted"),
    134100: Code(400, "Only marketing messages supported"),
    134101: Code(400, "Template is not synced"),
    134102: Code(500, "Template unavailable for use"),
    135000: Code(400, "Generic user error"),
    137000: Code(400, "Recipient identity key hash mismatch"),
    139200: Code(400, "Direct Send is blocked"),
    2388019: Code(400, "Message template limit exceeded"),
    2494100: Code(400, "Phone number in maintenance mode"),
}

# The account as a whole is held back, not one number or one recipient (M/support/error-codes).
ACCOUNT_CODES = frozenset({4, 80007, 368, 131031, 131042})


class Refusal(msgspec.Struct, frozen=True):
    """A definite no to one request: nothing was accepted."""

    code: int
    details: str = ""
    http: int | None = None
    headers: dict[str, str] | None = None

    @property
    def status(self) -> int:
        """Return the HTTP status it is answered with."""
        return self.http or CODES.get(self.code, Code(400, "")).http

    def body(self, trace: str) -> bytes:
        """Return Meta's synchronous error body; `trace` becomes fbtrace_id."""
        title = title_of(self.code)
        return msgspec.json.encode(
            {
                "error": {
                    "message": f"(#{self.code}) {title}",
                    "type": "OAuthException",
                    "code": self.code,
                    "error_data": {
                        "messaging_product": "whatsapp",
                        "details": self.details or title,
                    },
                    "fbtrace_id": trace,
                }
            }
        )


def title_of(code: int) -> str:
    """Return the code's documented title, or a plain one for a code outside the table."""
    row = CODES.get(code)
    return row.title if row else "Unknown error"


def failure(code: int, details: str = "") -> dict[str, object]:
    """Return one element of `statuses[].errors` of a webhook."""
    title = title_of(code)
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": details or title},
        "href": HREF,
    }
