"""The shapes of Meta's webhooks as they come over the wire; unknown fields are ignored.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks
"""

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

Shape = TypeVar("Shape")
Text = str | None
Moment = int | str | None  # seconds since the epoch; Meta writes both forms
Word = str | int | None  # an id or a limit; Meta writes both forms
Nothing = UnsetType  # a field that is not there

UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError, ValueError, OverflowError)
DIGITS_MAX: Final = 15  # more are no moment, and cost time to read
SECONDS_MAX: Final = 10**11  # beyond it is no moment of ours, or not in seconds


class Envelope(Struct):
    """What every webhook is wrapped in."""

    entry: list[Raw] = []


class News(Struct):
    """Whose news they are: a WhatsApp Business Account's."""

    id: Word = ""
    time: Moment = None


class Entry(News):
    """All news of one account, each apart from the others."""

    changes: list[Raw] = []


class Change(Struct):
    """One piece of news: `field` says what it is about, though not always rightly."""

    value: Raw
    field: str = ""


class WholeEntry(News):
    """All news of one account, where each of them is one."""

    changes: list[Change] = []


class WholeEnvelope(Struct):
    """What every webhook is wrapped in, read in one go: where nothing is odd."""

    entry: list[WholeEntry] = []


class OwnNumber(Struct):
    """The number that it happened to."""

    phone_number_id: Word = ""


class MessagesValue(Struct):
    """What happens between a number and people; each part is read apart from the others."""

    metadata: Raw = Raw()
    contacts: Raw = Raw()
    statuses: Raw = Raw()
    messages: Raw = Raw()
    calls: Raw = Raw()
    errors: Raw = Raw()
    user_preferences: Raw = Raw()


class Contact(Struct):
    """A person, with the ids that Meta may tell."""

    wa_id: Text = None
    user_id: Text = None


class WebhookError(Struct):
    """Why something failed: only its number is sure to stay, so nothing else is read."""

    code: int


class Pricing(Struct):
    """What the message costs: `type` tells whether a service window was open."""

    type: Text = None


class BareStatus(Struct):
    """The part of a status that must be right."""

    id: str
    status: str
    timestamp: Moment = None
    recipient_id: Text = None
    biz_opaque_callback_data: Text = None


class FullStatus(BareStatus):
    """All of a status that we have a use for."""

    recipient_user_id: Text = None
    recipient_type: Text = None
    pricing: Pricing | None = None
    errors: list[WebhookError] | None = None


class GoodStatus(FullStatus):
    """One that is right in every part."""

    id: Annotated[str, Meta(min_length=1)]


class StatusesValue(Struct):
    """What happened to messages of ours, read in one go: where nothing is odd, or else to tell."""

    metadata: OwnNumber
    statuses: list[GoodStatus]
    contacts: Raw = Raw()
    messages: Nothing = UNSET
    calls: Nothing = UNSET
    errors: Nothing = UNSET
    user_preferences: Nothing = UNSET


class Identity(Struct):
    """What a system message says about a person."""

    type: Text = None
    wa_id: Text = None
    user_id: Text = None
    previous_user_id: Text = None


class Message(Struct):
    """What a person sent us."""

    id: str
    type: str = ""
    sender: Text = msgspec.field(default=None, name="from")
    from_user_id: Text = None
    timestamp: Moment = None
    system: Raw = Raw()


class Call(Struct):
    """A call; only one that a person made opens a window."""

    id: str
    sender: Text = msgspec.field(default=None, name="from")
    from_user_id: Text = None
    direction: Text = None
    event: Text = None
    timestamp: Moment = None


class UserPreference(Struct):
    """What a person wants to get."""

    value: str
    category: Text = None
    wa_id: Text = None
    user_id: Text = None
    timestamp: Moment = None


def read(decoder: msgspec.json.Decoder[Shape], raw: bytes | Raw) -> Shape | None:
    """Return what `raw` holds, or None when it is not of that shape."""
    try:
        return decoder.decode(raw)
    except UNREADABLE:
        return None


def to_ms(seconds: Moment) -> int:
    """Return milliseconds for Meta's seconds; 0 for what is no moment.

    >>> to_ms("1750030073"), to_ms(1731705721), to_ms("soon"), to_ms(-1), to_ms(None)
    (1750030073000, 1731705721000, 0, 0, 0)
    """
    if isinstance(seconds, str):
        digits = seconds.strip()
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX
        seconds = int(digits) if is_number else 0
    if not seconds or not 0 < seconds < SECONDS_MAX:
        return 0
    return seconds * 1_000
