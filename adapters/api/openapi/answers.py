"""The shapes of answers, for whoever reads them: a field more may come, none goes or changes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from adapters.api.openapi.quiet_answers import QuietAnswer
from adapters.api.problems import FieldError
from engine.directory import Role
from engine.facts import Source
from engine.model import Category, Gate

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, msgspec.Meta(ge=0)]
PriorityName = Literal["authentication", "service", "utility", "marketing"]


class ProblemDetails(msgspec.Struct):
    """A refusal (RFC 9457); `errors` has everything that is wrong, each with its place."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError]


class GraphErrorText(msgspec.Struct):
    """What is wrong, as Meta says it; what we refuse ourselves has all of these."""

    message: str
    code: int
    type: str = ""
    fbtrace_id: str = ""
    error_data: dict[str, object] = {}


class GraphError(msgspec.Struct):
    """A refusal in Meta's own shape."""

    error: GraphErrorText


class GraphMessage(msgspec.Struct):
    """Meta's own request body; what is not named here is passed on as it is."""

    messaging_product: Literal["whatsapp"]
    to: str = ""
    type: str = "text"


class GraphContact(msgspec.Struct):
    """Who it goes to."""

    input: str
    wa_id: str | None


class GraphAccepted(msgspec.Struct):
    """Our job id, where Meta gives its message id."""

    id: str


class GraphAnswer(msgspec.Struct):
    """Meta's answer to a send."""

    messaging_product: Literal["whatsapp"]
    contacts: list[GraphContact]
    messages: list[GraphAccepted]


class GraphDone(msgspec.Struct):
    """Meta's answer to what is no message: that one was read, that somebody types."""

    success: bool


class CampaignAnswer(msgspec.Struct):
    """A campaign as created."""

    id: str
    name: str
    state: str
    portfolio_id: str
    senders: list[str]
    fields: list[str]
    priority: PriorityName
    weight: int
    on_template_change: Literal["resume", "stay_stopped"]
    stopped_by: str | None
    version: int
    recipients_max: int | None
    shares: dict[str, int]
    quiet_hours: QuietAnswer | None
    start_at: Time | None
    expires_at: Time | None
    created_at: Time | None


class ForetoldAnswer(msgspec.Struct):
    """What a start would do now."""

    id: str
    dry_run: Literal[True]
    state: str
    rows: Count
    at_once: Count
    eta: Time | None
    warnings: list[str]


class CountsAnswer(msgspec.Struct):
    """The books: each job in exactly one place."""

    queued: Count
    waiting: dict[Gate, Count]
    in_flight: Count
    in_doubt: Count
    accepted: Count
    failed: Count
    expired: Count
    cancelled: Count
    suppressed: Count
    unknown: Count


class MisfitRowAnswer(msgspec.Struct):
    """A row that does not fit the new message, and one thing that is wrong with it."""

    job: str
    to: str
    field: str
    code: str
    detail: str


class CampaignChangeAnswer(CampaignAnswer):
    """A campaign after a change, and its waiting rows that did not fit and were cancelled."""

    misfit_rows: Count
    misfits: list[MisfitRowAnswer]


class CampaignStatusAnswer(CampaignAnswer):
    """How far a campaign is."""

    enqueued: Count
    counts: CountsAnswer
    delivery: dict[str, Count]
    eta: Time | None
    warnings: list[str]


class CampaignsAnswer(msgspec.Struct):
    """All campaigns."""

    campaigns: list[CampaignAnswer]


class RetryAnswer(msgspec.Struct):
    """What retrying did: failed rows seen, queued once more, and those nobody knows any more.

    Rows that were accepted and failed later are among them where surely nobody was reached.
    """

    failed: Count
    retried: Count
    forgotten: Count


class JourneyAnswer(msgspec.Struct):
    """A journey as put."""

    id: str
    name: str
    state: str
    portfolio_id: str
    weight: int
    priority: PriorityName | None
    ttl_seconds: Count | None
    cooldown_seconds: Count | None
    quiet_hours: QuietAnswer | None
    created_at: Time | None
    on_template_change: Literal["resume", "stay_stopped"]
    stopped_by: str | None


class JourneyStatusAnswer(JourneyAnswer):
    """How a journey goes."""

    enqueued: Count
    counts: CountsAnswer
    delivery: dict[str, Count]
    warnings: list[str]


class JourneysAnswer(msgspec.Struct):
    """All journeys."""

    journeys: list[JourneyAnswer]


class QuotaAnswer(msgspec.Struct):
    """The account of a window."""

    limit: int
    used: Count
    debt: Count
    reserved: Count
    available: int
    next_free_at: Time | None
    window_seconds: float


class PortfolioAnswer(msgspec.Struct):
    """A business portfolio; a limit of -1 is none."""

    id: str
    messaging_limit: int
    quota_scope: Literal["portfolio", "phone_number"]
    headroom: float
    reserve: dict[str, float]
    used_before: Count


class Told(msgspec.Struct):
    """One thing that was told, by whom and when."""

    value: str
    at: Time | None
    source: Source
    detail: str


class Closed(msgspec.Struct):
    """What closes a number or an account; until is null where only a change ends it.

    `categories` wait; where not all four are named, the others leave.
    """

    gate: Gate
    cause: str
    value: str
    categories: list[Category]
    detail: str
    source: Source
    since: Time | None
    until: Time | None


class AccountAnswer(msgspec.Struct):
    """A WhatsApp Business Account: what closes it, and all that was told of it."""

    id: str
    closed_by: list[Closed]
    countries: dict[str, Time]  # that it may not write to, each with until when
    told: dict[str, Told]


class PortfolioQuotaAnswer(PortfolioAnswer):
    """A business portfolio, its window, its accounts and what was told of it."""

    quota: QuotaAnswer
    told: dict[str, Told]
    accounts: list[AccountAnswer]


class PortfoliosAnswer(msgspec.Struct):
    """All portfolios."""

    portfolios: list[PortfolioAnswer]


class SenderAnswer(msgspec.Struct):
    """A sender, without its token."""

    id: str
    portfolio_id: str
    waba_id: str
    display_phone_number: str
    throughput: int
    alias: str


class SenderWorldAnswer(SenderAnswer):
    """A sender and what is known of it; what nobody told is null."""

    quality: str | None
    throughput_set: Count | None
    quality_share: float
    status: str | None
    name_status: str | None
    review: str | None
    closed_by: list[Closed]


class SenderStateAnswer(SenderWorldAnswer):
    """A sender, its quota, its rate and its jobs by priority and state."""

    told: dict[str, Told]
    warnings: list[str]
    quota: dict[str, int | str | None]
    rate_limit: int | None
    queue: dict[str, dict[str, int | dict[str, int]]]


class SendersAnswer(msgspec.Struct):
    """All senders."""

    senders: list[SenderWorldAnswer]


class KeyAnswer(msgspec.Struct):
    """A key, without its secret; a portfolio of null is all of them."""

    id: str
    name: str
    role: Role
    portfolio: str | None
    created_at: Time | None


class MadeKeyAnswer(KeyAnswer):
    """A key that was just made: its only showing."""

    key: str


class KeysAnswer(msgspec.Struct):
    """All keys."""

    keys: list[KeyAnswer]


class Readiness(msgspec.Struct):
    """Whether this process can work, and why not."""

    status: str
    objections: list[str] = []
