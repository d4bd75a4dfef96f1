"""The shapes of answers, for whoever reads them: a field more may come, none goes or changes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from adapters.api.problems import FieldError
from engine.directory import Role
from engine.model import DeliveryStatus, Gate, JobState, TemplateStatus

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
    """What is wrong, as Meta says it."""

    message: str
    type: str
    code: int
    fbtrace_id: str
    error_data: dict[str, str]


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


class ItemOutcome(msgspec.Struct):
    """What became of one job of a call."""

    index: Count
    id: str | None
    status: Literal["accepted", "duplicate", "conflict", "rejected"]
    errors: list[FieldError]


class JobsAnswer(msgspec.Struct):
    """What became of the jobs of a call. NDJSON has rejects and these numbers, a line each."""

    accepted: Count
    duplicates: Count
    rejected: Count
    results: list[ItemOutcome]


class WaitingFor(msgspec.Struct, omit_defaults=True):
    """A gate that holds a job back, and until when, where that is known."""

    gate: Gate
    detail: str
    until: Time | None
    number: int | None = None
    limit: int | None = None


class JobAnswer(msgspec.Struct):
    """Where a job stands."""

    id: str
    state: JobState
    attempt: Count
    delivery: DeliveryStatus
    waiting_for: list[WaitingFor]
    wamid: str | None
    code: int | None


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
    start_at: Time | None
    expires_at: Time | None
    created_at: Time | None


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


class PortfolioQuotaAnswer(PortfolioAnswer):
    """A business portfolio and its window."""

    quota: QuotaAnswer


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


class SenderStateAnswer(SenderAnswer):
    """A sender, its quota, its rate and its jobs by priority and state."""

    quota: dict[str, int | str | None]
    rate_limit: int | None
    queue: dict[str, dict[str, int | dict[str, int]]]


class SendersAnswer(msgspec.Struct):
    """All senders."""

    senders: list[SenderAnswer]


class TemplateAnswer(msgspec.Struct):
    """A template in one language, in Meta's words."""

    id: str | None
    name: str
    language: str
    category: Literal["MARKETING", "UTILITY", "AUTHENTICATION"]
    status: TemplateStatus
    quality: str
    parameter_format: str
    components: list[dict[str, object]]


class TemplatesAnswer(msgspec.Struct):
    """All templates of a WhatsApp Business Account."""

    templates: list[TemplateAnswer]


class ImportAnswer(TemplatesAnswer):
    """What an import brought."""

    imported: Count
    deleted: Count


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
