"""What Meta tells us by webhook, as small values; times are milliseconds, 0 where Meta gave none.

Shapes: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from adapters.meta import wire
from adapters.meta.wire import to_ms
from engine.model import SenderId, TemplateStatus, WabaId
from engine.ports import FOREVER_MS

LEFT: Final = frozenset(
    {"ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED", "PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED"}
)
"""What an account that is not ours any more is told by; nothing of it can be sent."""
CAME_BACK: Final = frozenset({"ACCOUNT_RECONNECTED", "PARTNER_ADDED", "PARTNER_APP_INSTALLED"})
SENDING: Final = "RESTRICTED_BIZ_INITIATED_MESSAGING"  # the restriction that stops templates
ANSWERING: Final = "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"  # and the one that stops answers
GROUP: Final = "group"  # the recipient type of what went to several
IN_WINDOW: Final = "free_customer_service"  # pricing type of what left inside a service window


class Person(msgspec.Struct, frozen=True):
    """Whom it is about: digits without `+`, or a BSUID, or both; either may be empty."""

    digits: str = ""
    user_id: str = ""


class KnownAs(msgspec.Struct, frozen=True):
    """A person who writes with a number of ours, with both ids: Meta's evidence of an alias."""

    sender: SenderId
    person: Person


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a message failed; what else a status tells is read where it is folded."""

    waba: WabaId
    sender: SenderId
    at_ms: int
    person: Person
    code: int
    opaque: str = ""  # biz_opaque_callback_data, untrusted until its MAC is checked
    is_group: bool = False  # then its recipient is no person


class Told(msgspec.Struct, frozen=True):
    """Statuses of one number as Meta wrote them: most say nothing that needs a value of ours."""

    waba: WabaId
    sender: SenderId
    statuses: Sequence[wire.FullStatus]


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """A person wrote, called, or something happened to the person."""

    waba: WabaId
    sender: SenderId
    wamid: str
    person: Person
    at_ms: int
    kind: str
    opens_window: bool


class PersonChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A person has a new number or a new user id: Meta's evidence that two ids are one person."""

    waba: WabaId
    sender: SenderId
    before: Person
    after: Person
    at_ms: int


class NumberError(msgspec.Struct, frozen=True, kw_only=True):
    """An error of a number or an app; it names no message."""

    waba: WabaId
    sender: SenderId
    code: int


class Preference(msgspec.Struct, frozen=True, kw_only=True):
    """A person stopped or resumed marketing messages: `stop`, `resume` or `signup`."""

    waba: WabaId
    sender: SenderId
    person: Person
    category: str
    value: str
    at_ms: int


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """Which template a notice is about; `-` in the language is written `_`."""

    waba: WabaId
    name: str
    language: str
    id: str = ""


class TemplateStatusChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A template's new status; None when the event does not tell it: fetch the template."""

    template: Template
    event: str
    status: TemplateStatus | None
    reason: str = ""
    title: str = ""  # FIRST_PAUSE, SECOND_PAUSE, ...
    at_ms: int = 0


class TemplateQualityChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A template's new quality: GREEN, YELLOW, RED or UNKNOWN."""

    template: Template
    quality: str
    at_ms: int = 0


class TemplateCategoryChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A template's category now; `coming` is the one it will get, empty when nothing is coming."""

    template: Template
    current: str
    coming: str = ""
    at_ms: int = 0


class TemplateEdited(msgspec.Struct, frozen=True, kw_only=True):
    """A template's text or buttons changed: fetch and check it again."""

    template: Template
    at_ms: int = 0


class LimitChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The portfolio's messaging limit; -1 is unlimited, None is not told: keep the last one."""

    waba: WabaId
    places: int | None
    numbers: int | None = None  # how many may be registered, where that is told
    word: str = ""  # Meta's, when it tells no limit that we can read
    at_ms: int = 0


class NumberQualityChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A number's quality, limit or throughput changed: `event` says which, fetch the number."""

    waba: WabaId
    display_phone_number: str
    event: str
    places: int | None = None
    at_ms: int = 0


class NumberNameJudged(msgspec.Struct, frozen=True, kw_only=True):
    """A display name was judged: APPROVED, DEFERRED, PENDING or REJECTED."""

    waba: WabaId
    display_phone_number: str
    decision: str
    at_ms: int = 0


class NumberSecurity(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody touched the two-step PIN of a number, or asked to; who is not kept."""

    waba: WabaId
    display_phone_number: str
    event: str
    at_ms: int = 0


class Restriction(msgspec.Struct, frozen=True):
    """One thing an account may not do, until then; 0 is without an end."""

    kind: str
    until_ms: int = 0


class AccountChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to the account: restricted, banned, deleted, connected again."""

    waba: WabaId
    event: str
    restrictions: tuple[Restriction, ...] = ()
    ban_state: str = ""  # SCHEDULE_FOR_DISABLE, DISABLE or REINSTATE
    ban_date: str = ""  # when it is or was disabled, in Meta's words
    violation: str = ""
    cause: str = ""  # why a number is not connected any more
    at_ms: int = 0

    def restricted_until_ms(self, kind: str) -> int | None:
        """Return until when the account is restricted in a way; None: it does not tell."""
        ends_ms = [each.until_ms or FOREVER_MS for each in self.restrictions if each.kind == kind]
        return max(ends_ms, default=None)


class AccountJudged(msgspec.Struct, frozen=True, kw_only=True):
    """The account's review ended: APPROVED, REJECTED, PENDING or DEFERRED."""

    waba: WabaId
    decision: str
    at_ms: int = 0


class AccountAlert(msgspec.Struct, frozen=True, kw_only=True):
    """Meta wants somebody to look."""

    waba: WabaId
    entity_type: str
    entity_id: str
    kind: str
    severity: str
    state: str = ""  # ACTIVE, or over
    at_ms: int = 0


Notice = (
    TemplateStatusChanged
    | TemplateQualityChanged
    | TemplateCategoryChanged
    | TemplateEdited
    | LimitChanged
    | NumberQualityChanged
    | NumberNameJudged
    | NumberSecurity
    | AccountChanged
    | AccountJudged
    | AccountAlert
)


FIELDS: Final = frozenset(
    {
        *("messages", "user_preferences", "calls"),
        *("message_template_status_update", "message_template_quality_update"),
        *("message_template_components_update", "template_category_update"),
        *("phone_number_quality_update", "phone_number_name_update", "security"),
        *("business_capability_update", "account_update", "account_review_update"),
        "account_alerts",
    }
)
"""Fields that have a label of their own in metrics: the others are `other`."""
FOLDED: Final = "folded"
UNKNOWN: Final = "unknown"  # nothing we have a use for
MALFORMED: Final = "malformed"


def _failure(told: Told, status: wire.FullStatus, code: int) -> Failure:
    return Failure(
        waba=told.waba,
        sender=told.sender,
        at_ms=to_ms(status.timestamp),
        person=Person(status.recipient_id or "", status.recipient_user_id or ""),
        code=code,
        opaque=status.biz_opaque_callback_data or "",
        is_group=status.recipient_type == GROUP,
    )


class Parsed(msgspec.Struct):
    """Everything one webhook said. `unknown` are items we have no use for, `malformed` are bad."""

    told: list[Told] = []
    inbound: list[Inbound] = []
    changed: list[PersonChanged] = []
    errors: list[NumberError] = []
    preferences: list[Preference] = []
    people: list[KnownAs] = []
    notices: list[Notice] = []
    unknown: int = 0
    malformed: int = 0
    results: dict[tuple[str, str], int] = {}
    """Items by field and by what became of them, for metrics."""

    @property
    def failures(self) -> list[Failure]:
        """Return what statuses say of why something failed."""
        return [
            _failure(told, each, each.errors[0].code)
            for told in self.told
            for each in told.statuses
            if each.errors
        ]

    def count(self, field: str, result: str, times: int = 1) -> None:
        """Count items of a field; one that is not a field we know is `other`."""
        self.unknown += times if result == UNKNOWN else 0
        self.malformed += times if result == MALFORMED else 0
        name = (field if field in FIELDS else "other", result)
        self.results[name] = self.results.get(name, 0) + times
