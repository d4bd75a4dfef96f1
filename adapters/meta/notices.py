"""Read what Meta tells about templates, numbers and accounts; dispatched on keys as on `field`.

Meta's own example of a template's quality carries the field of its status, so a key that only one
kind of notice has wins over the field.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from adapters.meta.codes import clean
from adapters.meta.news import (
    AccountAlert,
    AccountChanged,
    AccountJudged,
    LimitChanged,
    Notice,
    NumberNameJudged,
    NumberQualityChanged,
    NumberSecurity,
    Restriction,
    Template,
    TemplateCategoryChanged,
    TemplateEdited,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from adapters.meta.wire import Moment, Text, Word, read, to_ms
from engine.model import TemplateStatus, WabaId
from engine.quota import parse_limit
from engine.template_rules import NAME_MAX

UNCHANGED: Final = frozenset({"LOCKED", "FLAGGED", "UNARCHIVED", "LIMIT_EXCEEDED"})
"""Events that do not tell the status: the template must be fetched."""
NUMBERS_MAX: Final = 1_000_000  # of a portfolio: more is no number of numbers
LANGUAGE_MAX: Final = 32  # characters of a language's code: Meta's have at most eight
RESTORED: Final = frozenset({"APPROVED", "REINSTATED"})


class PauseDetails(Struct):
    """Why a template was paused or unpaused."""

    title: Text = None


class RestrictionDetails(Struct):
    """What an account may not do."""

    restriction_type: Text = None
    expiration: Moment = None


class BanDetails(Struct):
    """Where a ban stands."""

    waba_ban_state: Text = None
    waba_ban_date: Text = None


class DisconnectionDetails(Struct):
    """Why a number is not connected any more."""

    reason: Text = None
    initiated_by: Text = None


class ViolationDetails(Struct):
    """What an account did wrong."""

    violation_type: Text = None


class AlertDetails(Struct):
    """What an alert says."""

    alert_type: Text = None
    alert_severity: Text = None
    alert_status: Text = None


class Value(Struct):
    """All fields of all notices; each notice has its few."""

    event: Text = None
    reason: Text = None
    decision: Text = None
    display_phone_number: Text = None
    message_template_id: Word = None
    message_template_name: Text = None
    message_template_language: Text = None
    other_info: Raw = Raw()
    new_quality_score: Text = None
    new_category: Text = None
    correct_category: Text = None
    current_limit: Word = None
    max_daily_conversations_per_business: Word = None
    max_daily_conversation_per_phone: Word = None  # of webhooks up to v23.0
    max_phone_numbers_per_business: Word = None
    restriction_info: Raw = Raw()
    ban_info: Raw = Raw()
    violation_info: Raw = Raw()
    disconnection_info: Raw = Raw()
    entity_type: Text = None
    entity_id: Word = None
    alert_info: Raw = Raw()


Part = TypeVar("Part", bound=Struct)


class Reader:
    """Reads the parts of one notice: a bad part costs only itself, and is counted."""

    def __init__(self) -> None:
        self.malformed = 0

    def part(self, kind: type[Part], raw: Raw) -> Part:
        """Return a part of the notice; an empty one when it is not there or not readable."""
        found = self._read(kind, raw) if _is_there(raw) else None
        return kind() if found is None else found

    def parts(self, kind: type[Part], raw: Raw) -> list[Part]:
        """Return the readable parts of a list."""
        if not _is_there(raw):
            return []
        rows = read(_rows, raw)
        if rows is None:
            self.malformed += 1
        found = [self._read(kind, row) for row in rows or ()]
        return [part for part in found if part is not None]

    def _read(self, kind: type[Part], raw: Raw) -> Part | None:
        found = read(msgspec.json.Decoder(kind), raw)
        self.malformed += found is None
        return found


def _is_there(raw: Raw) -> bool:
    return bytes(raw) not in {b"", b"null"}


Maker = Callable[[WabaId, Value, int, Reader], Notice]

_value = msgspec.json.Decoder(Value)
_rows = msgspec.json.Decoder(list[Raw])


def read_notice(waba: WabaId, field: str, raw: Raw, at_ms: int) -> tuple[Notice | None, int]:
    """Return what the notice says, and how many of its parts could not be read.

    There is no notice for a field we have no use for, or when its whole value cannot be read.
    """
    value = read(_value, raw)
    if value is None or not _is_nameable(value):
        return None, 1
    make = _maker(field, value)
    reader = Reader()
    return (make(waba, value, at_ms, reader) if make else None), reader.malformed


def _is_nameable(value: Value) -> bool:
    """Return whether what the notice calls a template can be the name of one."""
    name, language = value.message_template_name or "", value.message_template_language or ""
    return len(name) <= NAME_MAX and len(language) <= LANGUAGE_MAX


def _maker(field: str, value: Value) -> Maker | None:
    if value.message_template_name:
        if value.new_quality_score:
            return _template_quality
        if value.new_category:
            return _template_category
        if value.event:
            return _template_status
        return _template_edited if field == "message_template_components_update" else None
    return MAKERS.get(field)


def _template(waba: WabaId, value: Value) -> Template:
    return Template(
        waba=waba,
        name=value.message_template_name or "",
        language=(value.message_template_language or "").replace("-", "_"),
        id=str(value.message_template_id or ""),
    )


def status_after(event: str, title: str = "") -> TemplateStatus | None:
    """Return the status a template has after `event`; None: fetch it; unknown forbids sending.

    >>> status_after("reinstated"), status_after("PAUSED", "UNPAUSE"), status_after("NEW_ONE")
    (<TemplateStatus.APPROVED: 'APPROVED'>, None, <TemplateStatus.UNKNOWN: 'UNKNOWN'>)
    """
    word = event.upper()
    if word in RESTORED:
        return TemplateStatus.APPROVED
    if word in UNCHANGED or title.upper() == "UNPAUSE":
        return None
    try:
        return TemplateStatus(word)
    except ValueError:
        return TemplateStatus.UNKNOWN


def _template_status(waba: WabaId, value: Value, at_ms: int, reader: Reader) -> Notice:
    event = (value.event or "").upper()
    title = reader.part(PauseDetails, value.other_info).title or ""
    return TemplateStatusChanged(
        template=_template(waba, value),
        event=event,
        status=status_after(event, title),
        reason=value.reason or "",
        title=title,
        at_ms=at_ms,
    )


def _template_quality(waba: WabaId, value: Value, at_ms: int, _reader: Reader) -> Notice:
    quality = (value.new_quality_score or "").upper()
    return TemplateQualityChanged(template=_template(waba, value), quality=quality, at_ms=at_ms)


def _template_category(waba: WabaId, value: Value, at_ms: int, _reader: Reader) -> Notice:
    """Return both categories: beside `correct_category`, `new_category` is the one of now."""
    return TemplateCategoryChanged(
        template=_template(waba, value),
        current=(value.new_category or "").upper(),
        coming=(value.correct_category or "").upper(),
        at_ms=at_ms,
    )


def _template_edited(waba: WabaId, value: Value, at_ms: int, _reader: Reader) -> Notice:
    return TemplateEdited(template=_template(waba, value), at_ms=at_ms)


def _limit(waba: WabaId, value: Value, at_ms: int, _reader: Reader) -> Notice:
    told = value.max_daily_conversations_per_business
    if told is None:
        told = value.max_daily_conversation_per_phone
    places = parse_limit(told)
    word = clean(str(told)) if places is None and told is not None else ""
    numbers = value.max_phone_numbers_per_business
    return LimitChanged(
        waba=waba,
        places=places,
        numbers=numbers if isinstance(numbers, int) and 0 <= numbers <= NUMBERS_MAX else None,
        word=word,
        at_ms=at_ms,
    )


def _number_quality(waba: WabaId, value: Value, at_ms: int, _reader: Reader) -> Notice:
    places = parse_limit(value.max_daily_conversations_per_business)
    return NumberQualityChanged(
        waba=waba,
        display_phone_number=value.display_phone_number or "",
        event=(value.event or "").upper(),
        places=places if places is not None else parse_limit(value.current_limit),
        at_ms=at_ms,
    )


def _number_name(waba: WabaId, value: Value, at_ms: int, _reader: Reader) -> Notice:
    return NumberNameJudged(
        waba=waba,
        display_phone_number=value.display_phone_number or "",
        decision=(value.decision or "").upper(),
        at_ms=at_ms,
    )


def _number_security(waba: WabaId, value: Value, at_ms: int, _reader: Reader) -> Notice:
    return NumberSecurity(
        waba=waba,
        display_phone_number=value.display_phone_number or "",
        event=(value.event or "").upper(),
        at_ms=at_ms,
    )


def _account(waba: WabaId, value: Value, at_ms: int, reader: Reader) -> Notice:
    ban = reader.part(BanDetails, value.ban_info)
    lost = reader.part(DisconnectionDetails, value.disconnection_info)
    return AccountChanged(
        waba=waba,
        event=(value.event or "").upper(),
        restrictions=tuple(
            Restriction(line.restriction_type or "", to_ms(line.expiration))
            for line in reader.parts(RestrictionDetails, value.restriction_info)
        ),
        ban_state=(ban.waba_ban_state or "").upper(),
        ban_date=clean(ban.waba_ban_date or ""),
        violation=reader.part(ViolationDetails, value.violation_info).violation_type or "",
        cause=" by ".join(part for part in (lost.reason, lost.initiated_by) if part),
        at_ms=at_ms,
    )


def _account_review(waba: WabaId, value: Value, at_ms: int, _reader: Reader) -> Notice:
    return AccountJudged(waba=waba, decision=(value.decision or "").upper(), at_ms=at_ms)


def _alert(waba: WabaId, value: Value, at_ms: int, reader: Reader) -> Notice:
    alert = reader.part(AlertDetails, value.alert_info)
    return AccountAlert(
        waba=waba,
        entity_type=value.entity_type or "",
        entity_id=str(value.entity_id or ""),
        kind=alert.alert_type or "",
        severity=alert.alert_severity or "",
        state=alert.alert_status or "",
        at_ms=at_ms,
    )


MAKERS: Final[dict[str, Maker]] = {
    "business_capability_update": _limit,
    "phone_number_quality_update": _number_quality,
    "phone_number_name_update": _number_name,
    "security": _number_security,
    "account_update": _account,
    "account_review_update": _account_review,
    "account_alerts": _alert,
}
