"""Read a webhook's body item by item: whatever one item is, the others are still understood.

Nothing here raises, waits or knows a clock; times stay as Meta gave them, and lie up to seven days
back: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from adapters.meta import wire
from adapters.meta.news import (
    FOLDED,
    MALFORMED,
    UNKNOWN,
    Inbound,
    KnownAs,
    NumberError,
    Parsed,
    Person,
    PersonChanged,
    Preference,
    Told,
)
from adapters.meta.notices import read_notice
from adapters.meta.wire import read, to_ms
from engine.model import SenderId, WabaId

BODY_MAX: Final = 4 * 1_048_576  # bytes; Meta sends at most 3 MB

SILENT: Final = frozenset({"system", "edit", "revoke", "request_welcome"})
"""Kinds that come from a person and say nothing new: they open no window. Ours: not documented."""

ESCAPES: Final = re.compile(
    rb"\\(?:u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|(u[dD][89a-fA-F]\w\w)|.)", re.DOTALL
)
"""An escape in JSON: a pair of surrogates, or (group 1) a surrogate alone, or any other."""
NO_ITEM: Final = ""  # who is meant by the others: not counted
REPLACEMENT: Final = rb"\ufffd"

_whole = msgspec.json.Decoder(wire.WholeEnvelope)
_envelope = msgspec.json.Decoder(wire.Envelope)
_entry = msgspec.json.Decoder(wire.Entry)
_change = msgspec.json.Decoder(wire.Change)
_messages = msgspec.json.Decoder(wire.MessagesValue)
_statuses = msgspec.json.Decoder(wire.StatusesValue)
_metadata = msgspec.json.Decoder(wire.OwnNumber)
_items = msgspec.json.Decoder(list[Raw] | None)
_contact = msgspec.json.Decoder(wire.Contact)
_status = msgspec.json.Decoder(wire.FullStatus)
_bare_status = msgspec.json.Decoder(wire.BareStatus)
_message = msgspec.json.Decoder(wire.Message)
_identity = msgspec.json.Decoder(wire.Identity)
_call = msgspec.json.Decoder(wire.Call)
_error = msgspec.json.Decoder(wire.WebhookError)
_preference = msgspec.json.Decoder(wire.UserPreference)


class Place(NamedTuple):
    """Where an item was found."""

    waba: WabaId
    sender: SenderId


def parse(body: bytes) -> Parsed:
    """Return everything `body` says; a body that is no webhook at all is one malformed item."""
    parsed = Parsed()
    whole = read(_whole, body) if len(body) <= BODY_MAX else None
    if whole is None:
        _parse_apart(parsed, body)
        return parsed
    for entry in whole.entry:
        for change in entry.changes:
            _read_change(parsed, entry, change)
    return parsed


def _parse_apart(parsed: Parsed, body: bytes) -> None:
    """Read a body with something odd in it, each piece of news apart from the others."""
    if len(body) > BODY_MAX:
        parsed.count("", MALFORMED)
        return
    envelope = read(_envelope, body)
    if envelope is None:
        parsed.count("", MALFORMED)
        envelope = read(_envelope, _mended(body))
    if envelope is None:
        return
    for raw_entry in envelope.entry:
        entry = read(_entry, raw_entry)
        if entry is None:
            parsed.count("", MALFORMED)
            continue
        for raw_change in entry.changes:
            change = read(_change, raw_change)
            if change is None:
                parsed.count("", MALFORMED)
            else:
                _read_change(parsed, entry, change)


def _mended(body: bytes) -> bytes:
    """Return `body` with halves of cut characters replaced: one would make all of it unreadable."""
    return ESCAPES.sub(lambda found: REPLACEMENT if found[1] else found[0], body)


def _read_change(parsed: Parsed, entry: wire.News, change: wire.Change) -> None:
    waba = WabaId(str(entry.id or ""))
    if change.field == "messages" and _read_statuses(parsed, waba, change.value):
        return
    if change.field not in {"messages", "user_preferences", "calls"}:
        notice, malformed = read_notice(waba, change.field, change.value, to_ms(entry.time))
        if malformed:
            parsed.count(change.field, MALFORMED, malformed)
        if notice is not None:
            parsed.notices.append(notice)
            parsed.count(change.field, FOLDED)
        elif not malformed:
            parsed.count(change.field, UNKNOWN)
        return
    value = read(_messages, change.value)
    if value is None:
        parsed.count(change.field, MALFORMED)
        return
    metadata = read(_metadata, value.metadata)
    place = Place(waba, SenderId(str(metadata.phone_number_id or "") if metadata else ""))
    for raw, read_item in (
        (value.contacts, _read_contact),
        (value.statuses, _read_status),
        (value.messages, _read_message),
        (value.calls, _read_call),
        (value.errors, _read_error),
        (value.user_preferences, _read_preference),
    ):
        if raw:
            _read_all(parsed, place, change.field, raw, read_item)


def _read_statuses(parsed: Parsed, waba: WabaId, raw: Raw) -> bool:
    """Read a change that tells of statuses, all of them right, and of nothing else: as most do."""
    value = read(_statuses, raw)
    if value is None or not value.statuses:
        return False
    place = Place(waba, SenderId(str(value.metadata.phone_number_id or "")))
    parsed.told.append(Told(*place, value.statuses))
    parsed.count("messages", FOLDED, len(value.statuses))
    if value.contacts:
        _read_all(parsed, place, "messages", value.contacts, _read_contact)
    return True


def _read_all(
    parsed: Parsed,
    place: Place,
    field: str,
    raw: Raw,
    read_item: Callable[[Parsed, Place, Raw], str],
) -> None:
    try:
        items = _items.decode(raw) or ()
    except wire.UNREADABLE:
        parsed.count(field, MALFORMED)
        return
    results = [read_item(parsed, place, item) for item in items]
    for result in (FOLDED, UNKNOWN, MALFORMED):
        if times := results.count(result):
            parsed.count(field, result, times)


def _read_contact(parsed: Parsed, place: Place, raw: Raw) -> str:
    contact = read(_contact, raw)
    if contact is None:
        return MALFORMED
    if contact.wa_id and contact.user_id:
        person = Person(contact.wa_id, contact.user_id)
        parsed.people.append(KnownAs(place.sender, person))
    return NO_ITEM


def _read_status(parsed: Parsed, place: Place, raw: Raw) -> str:
    full = read(_status, raw)
    status = full or read(_bare_status, raw)  # an odd price must not lose a delivery
    if status is None or not status.id:
        return MALFORMED
    if full is None:
        parsed.count("messages", MALFORMED)
        full = wire.FullStatus(
            id=status.id,
            status=status.status,
            timestamp=status.timestamp,
            recipient_id=status.recipient_id,
            biz_opaque_callback_data=status.biz_opaque_callback_data,
        )
    parsed.told.append(Told(place.waba, place.sender, [full]))
    return FOLDED


def _read_message(parsed: Parsed, place: Place, raw: Raw) -> str:
    message = read(_message, raw)
    if message is None or not (message.sender or message.from_user_id or message.type == "system"):
        return MALFORMED
    person = Person(message.sender or "", message.from_user_id or "")
    at_ms = to_ms(message.timestamp)
    parsed.inbound.append(
        Inbound(
            waba=place.waba,
            sender=place.sender,
            wamid=message.id,
            person=person,
            at_ms=at_ms,
            kind=message.type,
            opens_window=message.type not in SILENT,
        )
    )
    if message.type == "system":
        _read_system(parsed, place, message, person, at_ms)
    return FOLDED


def _read_system(
    parsed: Parsed, place: Place, message: wire.Message, person: Person, at_ms: int
) -> None:
    """Note who became whom; any other system message says nothing to us."""
    identity = read(_identity, message.system)
    if identity is None:
        return
    if identity.type == "user_changed_number" and identity.wa_id:
        after = Person(identity.wa_id, identity.user_id or "")
    elif identity.type == "user_changed_user_id" and identity.previous_user_id:
        after = Person(person.digits, identity.user_id or person.user_id)
        person = Person("", identity.previous_user_id)
    else:
        return
    parsed.changed.append(
        PersonChanged(waba=place.waba, sender=place.sender, before=person, after=after, at_ms=at_ms)
    )


def _read_call(parsed: Parsed, place: Place, raw: Raw) -> str:
    call = read(_call, raw)
    if call is None:
        return MALFORMED
    is_theirs = call.direction == "USER_INITIATED" and bool(call.sender or call.from_user_id)
    if not is_theirs:
        return UNKNOWN
    parsed.inbound.append(
        Inbound(
            waba=place.waba,
            sender=place.sender,
            wamid=call.id,
            person=Person(call.sender or "", call.from_user_id or ""),
            at_ms=to_ms(call.timestamp),
            kind="call",
            opens_window=call.event == "connect",
        )
    )
    return FOLDED


def _read_error(parsed: Parsed, place: Place, raw: Raw) -> str:
    error = read(_error, raw)
    if error is None:
        return MALFORMED
    parsed.errors.append(NumberError(waba=place.waba, sender=place.sender, code=error.code))
    return FOLDED


def _read_preference(parsed: Parsed, place: Place, raw: Raw) -> str:
    preference = read(_preference, raw)
    if preference is None or not (preference.wa_id or preference.user_id):
        return MALFORMED
    parsed.preferences.append(
        Preference(
            waba=place.waba,
            sender=place.sender,
            person=Person(preference.wa_id or "", preference.user_id or ""),
            category=preference.category or "",
            value=preference.value.lower(),
            at_ms=to_ms(preference.timestamp),
        )
    )
    return FOLDED
