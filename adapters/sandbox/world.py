"""The live state of a played world: senders, templates, and what the client was told of them."""

from __future__ import annotations

import msgspec

from adapters.sandbox import scenario
from adapters.sandbox.codes import Refusal
from adapters.sandbox.parameters import Shape, shape_of

# The states of M/business-phone-numbers/phone-numbers in which a number may still send:
# FLAGGED numbers could (before 2025-10-07), all others must be CONNECTED.
SENDING_STATUSES = frozenset({"CONNECTED", "FLAGGED"})
LOCKED_STATUSES = frozenset({"BANNED", "RESTRICTED"})
TEMPLATE_CODES = {"PAUSED": 132015, "DISABLED": 132016}  # M/support/error-codes
TEMPLATE_NOT_THERE = 132001


class Notice(msgspec.Struct):
    """A no that stands until `until_ms` (None: open end), and when the client first heard of it."""

    code: int
    until_ms: int | None = None
    may_be_probed: bool = False
    told_at_ms: int | None = None
    asked_at_ms: int = 0

    def tell(self, at_ms: int) -> None:
        """Note that the client knows now; only the first time counts."""
        if self.told_at_ms is None:
            self.told_at_ms = at_ms
            self.asked_at_ms = at_ms

    def stands(self, at_ms: int) -> bool:
        """Return whether it still holds."""
        return self.until_ms is None or at_ms < self.until_ms

    def is_broken_by(self, at_ms: int, grace_ms: int, probe_every_ms: int) -> bool:
        """Return whether a send at `at_ms` ignores it.

        What arrives within the grace was in flight when the client heard. Where no end was stated
        and no event will tell of it, one send per `probe_every_ms` is a question, no offence.
        """
        if self.told_at_ms is None or at_ms <= self.told_at_ms + grace_ms:
            return False
        if self.may_be_probed and at_ms - self.asked_at_ms >= probe_every_ms:
            self.asked_at_ms = at_ms
            return False
        return True


class Account(msgspec.Struct):
    """A WABA: whose portfolio it is in, and what holds it back."""

    id: str
    portfolio_id: str
    blocked_prefixes: tuple[str, ...]
    notice: Notice | None = None
    country_notices: dict[str, Notice] = msgspec.field(default_factory=dict[str, Notice])


class Number(msgspec.Struct):
    """A sending phone number."""

    id: str
    waba_id: str
    portfolio_id: str
    display_phone_number: str
    digits: str
    authorization: str
    throughput_mps: int
    status: str
    code: int | None
    quality_rating: str
    verified_name: str
    name_status: str
    code_verification_status: str
    account: Account
    notice: Notice | None = None
    service_windows: dict[str, int] = msgspec.field(default_factory=dict[str, int])

    def is_open_to(self, recipient: str, at_ms: int, service_window_ms: int) -> bool:
        """Return whether the customer service window of `recipient` is open."""
        opened_at_ms = self.service_windows.get(recipient)
        return opened_at_ms is not None and at_ms < opened_at_ms + service_window_ms

    def assume(self, status: str, code: int | None = None) -> None:
        """Take another connection status; the client has not heard of it yet."""
        self.status = status
        self.code = code
        if code is None and status in SENDING_STATUSES:
            self.notice = None
        else:
            implied = 131031 if status in LOCKED_STATUSES else 133010
            self.notice = Notice(code or implied, may_be_probed=True)


class Template(msgspec.Struct):
    """One language of a template, its status, and what the client heard of it."""

    id: str
    waba_id: str
    name: str
    language: str
    category: str
    status: str
    parameter_format: str
    components: list[dict[str, object]]
    shape: Shape
    quality: str = "UNKNOWN"
    rejected_reason: str = "NONE"  # of a review; of a pause only the webhook tells more
    notice: Notice | None = None
    edited_at_ms: list[int] = msgspec.field(default_factory=list[int])

    @property
    def key(self) -> tuple[str, str, str]:
        """Return (WABA, name, language): what identifies it to a sender."""
        return (self.waba_id, self.name, self.language)

    def assume(self, status: str) -> None:
        """Take another status; the client has not heard of it yet."""
        self.status = status
        if status == "APPROVED":
            self.notice = None
        else:
            self.notice = Notice(TEMPLATE_CODES.get(status, TEMPLATE_NOT_THERE))


class Opposition(msgspec.Struct):
    """Why a recipient takes no marketing of one portfolio: a stop, or Meta's cap for a while."""

    notice: Notice = msgspec.field(default_factory=lambda: Notice(131050))


class Send(msgspec.Struct, gc=False):
    """One send that was read and found well-formed. `template` is None when it is free-form."""

    number: Number
    to: str
    recipient: str
    is_user_id: bool
    kind: str
    template: Template | None
    template_name: str
    language: str
    values: tuple[str, ...]
    opaque: str
    is_open: bool
    reply_to: str = ""  # the message it answers

    @property
    def category(self) -> str:
        """Return the price category, `service` for a free-form message."""
        return self.template.category.lower() if self.template else "service"


class LiveWorld:
    """All live nouns of a scenario by their ids."""

    def __init__(self, plan: scenario.World) -> None:
        self.plan = plan
        self.portfolios = {each.id: each for each in plan.portfolios}
        self.accounts = {
            each.id: Account(each.id, each.portfolio_id, tuple(each.blocked_prefixes))
            for each in plan.wabas
        }
        self.numbers = {each.phone_number_id: self._number(each) for each in plan.senders}
        self.templates: dict[tuple[str, str, str], Template] = {}
        self.template_ids: dict[str, Template] = {}
        self.missing: dict[tuple[str, str, str], Notice] = {}
        self.opposed = {
            (portfolio_id, recipient): Opposition()
            for portfolio_id, recipients in plan.opted_out.items()
            for recipient in recipients
        }
        self._next_template_id = 1_000_000_000_001
        for spec in plan.templates:
            self.add_template(spec)

    def _number(self, spec: scenario.Sender) -> Number:
        """Return the live number of a scenario's sender."""
        number = Number(
            id=spec.phone_number_id,
            waba_id=spec.waba_id,
            portfolio_id=spec.portfolio_id,
            display_phone_number=spec.display_phone_number,
            digits="".join(filter(str.isdigit, spec.display_phone_number)),
            authorization=f"Bearer {spec.token}",
            throughput_mps=spec.throughput_mps,
            status=spec.status,
            code=spec.code,
            quality_rating=spec.quality_rating,
            verified_name=spec.verified_name,
            name_status=spec.name_status,
            code_verification_status=spec.code_verification_status,
            account=self.accounts[spec.waba_id],
        )
        number.assume(spec.status, spec.code)
        return number

    def add_template(self, spec: scenario.TemplateSpec) -> Template:
        """Add, or replace, a template and return it."""
        template_id = spec.id or str(self._next_template_id)
        self._next_template_id += 1
        template = Template(
            id=template_id,
            waba_id=spec.waba,
            name=spec.name,
            language=spec.language,
            category=spec.category,
            status=spec.status,
            parameter_format=spec.parameter_format,
            components=spec.components,
            shape=shape_of(spec.components),
        )
        template.assume(spec.status)
        self.templates[template.key] = template
        self.template_ids[template_id] = template
        self.missing.pop(template.key, None)
        return template

    def drop_template(self, template: Template) -> None:
        """Delete a template; who sends it from now on is told that it does not exist."""
        self.templates.pop(template.key, None)
        self.template_ids.pop(template.id, None)
        self.missing[template.key] = Notice(TEMPLATE_NOT_THERE)

    def oppose(self, portfolio_id: str, recipient: str, notice: Notice, at_ms: int) -> Notice:
        """Return why the recipient takes no marketing now: `notice`, or a stronger one before."""
        key = (portfolio_id, recipient)
        former = self.opposed.get(key)
        if former is not None and former.notice.stands(at_ms):
            is_stopped = former.notice.until_ms is None
            if is_stopped or notice.until_ms is not None:
                return former.notice
        self.opposed[key] = Opposition(notice)
        return notice

    def missing_notice(self, key: tuple[str, str, str]) -> Notice:
        """Return the notice of a template that does not exist; the first asker opens it."""
        return self.missing.setdefault(key, Notice(TEMPLATE_NOT_THERE))


def refusal_of(notice: Notice, at_ms: int, details: str = "") -> Refusal:
    """Return the answer a notice gives; a stated end rides in the usage header, in minutes."""
    headers: dict[str, str] | None = None
    if notice.code in {4, 80007} and notice.until_ms is not None:
        minutes = max(1, -(-(notice.until_ms - at_ms) // 60_000))
        headers = usage_headers("waba", 100, minutes)
    return Refusal(notice.code, details, headers=headers)


def usage_headers(entity: str, percent: int, minutes: int = 0) -> dict[str, str]:
    """Return Graph's usage headers; values are percent, the regain time is in minutes.

    Source: https://developers.facebook.com/docs/graph-api/overview/rate-limiting
    """
    usage = {"call_count": percent, "total_cputime": percent, "total_time": percent}
    return {
        "x-app-usage": msgspec.json.encode(usage).decode(),
        "x-business-use-case-usage": msgspec.json.encode(
            {
                entity: [
                    {
                        "type": "whatsapp_business",
                        **usage,
                        "estimated_time_to_regain_access": minutes,
                    }
                ]
            }
        ).decode(),
    }
