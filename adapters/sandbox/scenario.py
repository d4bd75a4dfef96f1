"""A scenario: the world a sandbox plays, loaded from JSON, TOML or a Python value, strictly.

Every struct forbids unknown fields, so a misspelled wish is an error and never a silent default.
Lengths are milliseconds. Numbers of Meta's carry the page they come from, in the short form of
docs/glossary.md (`M/` is https://developers.facebook.com/documentation/business-messaging/whatsapp/).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta, Struct

Mode = Literal["enforce", "record", "off"]
Rate = Annotated[float, Meta(ge=0.0, le=1.0)]
NotNegative = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
UNLIMITED = -1  # M/webhooks/reference/business_capability_update
DAY_MS = 86_400_000


class ScenarioError(ValueError):
    """The scenario cannot be played; the message names the field. Correct the file."""


class Portfolio(Struct, forbid_unknown_fields=True, frozen=True):
    """A business portfolio and its messaging limit; -1 is unlimited."""

    id: str
    limit: Annotated[int, Meta(ge=-1)] = 250  # a new portfolio: M/messaging-limits
    scope: Literal["portfolio", "phone_number"] = "portfolio"  # since 2025-10-07, and before


class Waba(Struct, forbid_unknown_fields=True, frozen=True):
    """A WABA; `blocked_prefixes` are dial codes it may not message (130497)."""

    id: str
    portfolio_id: str
    blocked_prefixes: list[str] = []


class Sender(Struct, forbid_unknown_fields=True, frozen=True):
    """A business phone number. `code` overrides the error that its status would answer."""

    phone_number_id: str
    waba_id: str
    portfolio_id: str
    display_phone_number: str
    token: str
    throughput_mps: Positive = 80  # M/throughput
    status: str = "CONNECTED"
    code: int | None = None
    quality_rating: str = "GREEN"
    verified_name: str = "Sandbox"
    name_status: str = "APPROVED"
    code_verification_status: str = "VERIFIED"


class TemplateSpec(Struct, forbid_unknown_fields=True, frozen=True):
    """One language of one template of a WABA; `components` is Meta's own JSON."""

    waba: str
    name: str
    language: str = "en_US"
    category: Literal["MARKETING", "UTILITY", "AUTHENTICATION"] = "MARKETING"
    status: str = "APPROVED"
    components: list[dict[str, object]] = []
    id: str = ""
    parameter_format: Literal["POSITIONAL", "NAMED"] = "POSITIONAL"


class Rules(Struct, forbid_unknown_fields=True, frozen=True):
    """What happens when a rule is broken, and how generous each rule is.

    `enforce` answers Meta's error and records a violation, `record` accepts and records,
    `off` does neither. Meta has no error for `schedule`, `source` and `duplicate`: for these
    `enforce` is the same as `record`.
    """

    quota: Mode = "enforce"
    rate: Mode = "enforce"
    pair: Mode = "enforce"
    retry: Mode = "enforce"
    account: Mode = "enforce"
    sender: Mode = "enforce"
    template: Mode = "enforce"
    window: Mode = "enforce"
    suppression: Mode = "enforce"
    country: Mode = "enforce"
    schedule: Mode = "record"
    source: Mode = "record"
    duplicate: Mode = "record"
    grace_ms: NotNegative = 1_000  # what was in flight when the sandbox first said no
    probe_every_ms: Positive = 30_000  # one send this often may ask whether an open end is over
    rate_tolerance: Annotated[float, Meta(ge=1.0)] = 1.05  # judged at arrival: the network bunches
    pair_every_ms: Positive = 6_000  # M/about-the-platform
    pair_burst: Positive = 45  # M/about-the-platform: in one such span, borrowed from the future
    pair_model: Literal["repaid", "bucket"] = "repaid"
    pair_slack_ms: NotNegative = 300  # the same 5 % for the distance between two arrivals
    delivery_moves_mark: bool = False  # the limit counts deliveries: M/messaging-limits
    marketing_wait_ms: Positive = DAY_MS  # after 131049: M/.../per-user-limits
    late_codes: list[int] = []  # codes answered by a `failed` webhook after HTTP 200
    forbid_duplicates: bool = False


class Webhook(Struct, forbid_unknown_fields=True, frozen=True):
    """Where statuses and events are posted, and how badly; without `url` nothing is posted."""

    url: str = ""
    app_secret: str = "sandbox-app-secret"  # noqa: S105 (a toy's default, not a secret)
    flush_ms: Positive = 20
    batch_max: Annotated[int, Meta(ge=1, le=1_000)] = 1_000  # M/webhooks/overview
    posts_max: Positive = 8
    sent_after_ms: NotNegative = 0
    delivered_after_ms: NotNegative = 40
    read_after_ms: NotNegative = 80
    delivered_rate: Rate = 1.0
    read_rate: Rate = 0.0
    delay_ms: NotNegative = 0
    late_rate: Rate = 0.0
    late_ms: NotNegative = 2_000
    double_rate: Rate = 0.0
    reorder_rate: Rate = 0.0
    loss_rate: Rate = 0.0
    before_response_rate: Rate = 0.0
    retries_max: NotNegative = 6
    retry_first_ms: Positive = 50
    timeout_ms: Positive = 10_000
    has_conversation: bool = False  # present up to v23, omitted since v24: M/.../messages/status


class Fault(Struct, forbid_unknown_fields=True, frozen=True):
    """Something that goes wrong for a share of the sends, for some of them, for some time.

    `error` answers `code`; `late_error` accepts, then `code` comes as a `failed` webhook;
    `silence` accepts, then closes the socket (`delay_ms` 0) or answers only after `delay_ms`;
    `latency` answers after `delay_ms` plus up to `spread_ms` (or exponential with that mean);
    `reset` cuts the connection before the body is read; `server_error` is HTML 5xx without JSON,
    of a message that was accepted all the same when `is_accepted`;
    `truncated` is HTTP 200 with half a body, of a message that was accepted; `hold` accepts as
    held_for_quality_assessment and after `delay_ms` releases it, or drops it with 132015.
    `lasts_ms` keeps the whole account blocked after an account's `code` was answered.
    `from_ms`/`until_ms` count from the start, the reset, or the control call that set it.
    """

    kind: Literal[
        "error", "late_error", "silence", "latency", "reset", "server_error", "truncated", "hold"
    ]
    rate: Rate = 1.0
    code: int = 131000
    status: int | None = None
    delay_ms: NotNegative = 0
    spread_ms: NotNegative = 0
    is_exponential: bool = False
    is_dropped: bool = False
    is_accepted: bool = False
    lasts_ms: NotNegative = 0
    retry_after_s: int | None = None
    from_ms: NotNegative = 0
    until_ms: int | None = None
    times_max: int | None = None
    phone_number_ids: list[str] = []
    templates: list[str] = []
    recipients: list[str] = []

    def __post_init__(self) -> None:
        """Refuse a filter that a reset cannot heed, since it comes before the body is read."""
        if self.kind == "reset" and (self.templates or self.recipients):
            raise ValueError("a reset comes before the body is read: filter by phone_number_ids")


class Decay(Struct, forbid_unknown_fields=True, frozen=True):
    """Marketing that people complain of: each so many messages cost a step of quality.

    A template that is RED is paused, for 3 hours, then for 6, and disabled the third time; after a
    pause its quality is judged anew: M/templates/template-pausing. `event` is that of the
    phone_number_quality_update which tells that a number's quality fell; without, nothing tells.
    """

    messages_per_step: Positive = 100
    templates: list[str] = []  # names
    pauses_ms: tuple[NotNegative, ...] = (10_800_000, 21_600_000)
    phone_number_ids: list[str] = []
    event: str = ""


class Management(Struct, forbid_unknown_fields=True, frozen=True):
    """The template and number calls: their quota, page size and the time a review takes."""

    calls_max: Positive = 5_000  # an active WABA, per app and hour: M/about-the-platform
    calls_window_ms: Positive = 3_600_000
    page_max: Positive = 100
    review_ms: NotNegative = 200
    edits_per_day_max: int = 1  # of an approved template: M/templates/template-management
    edits_per_month_max: int = 10  # in 30 days, same page
    rejected: list[str] = []  # names that a review rejects, as INVALID_FORMAT
    judged: dict[str, Literal["MARKETING", "UTILITY"]] = {}  # name -> what a creation is judged as
    app_id: str = "700100"  # which the tokens are of: uploads of samples want it


class World(Struct, forbid_unknown_fields=True, frozen=True):
    """All there is: who may send what, at which limits, and what goes wrong."""

    portfolios: list[Portfolio]
    wabas: list[Waba]
    senders: list[Sender]
    templates: list[TemplateSpec] = []
    window_ms: Positive = DAY_MS  # the moving period: M/messaging-limits
    service_window_ms: Positive = DAY_MS  # M/messages/send-messages
    rules: Rules = Rules()
    webhook: Webhook = Webhook()
    faults: list[Fault] = []
    decays: list[Decay] = []
    management: Management = Management()
    opted_out: dict[str, list[str]] = {}  # portfolio id -> digits or user ids
    wa_ids: dict[str, str] = {}  # dialled digits -> wa_id where they differ (trap 11)
    has_usage_headers: bool = False
    keep_messages_max: NotNegative = 0

    def __post_init__(self) -> None:
        """Refuse a world whose parts name parts that are not there."""
        portfolios = _unique("portfolios", [each.id for each in self.portfolios])
        wabas = _unique("wabas", [each.id for each in self.wabas])
        _unique("senders", [each.phone_number_id for each in self.senders])
        _unique("templates", [f"{t.waba}/{t.name}/{t.language}" for t in self.templates])
        owners = {each.id: each.portfolio_id for each in self.wabas}
        for waba in self.wabas:
            _known("portfolio", waba.portfolio_id, portfolios)
        for sender in self.senders:
            _known("portfolio", sender.portfolio_id, portfolios)
            _known("waba", sender.waba_id, wabas)
            if sender.portfolio_id != owners[sender.waba_id]:
                raise ValueError(f"sender `{sender.phone_number_id}` and its waba differ in owner")
        for template in self.templates:
            _known("waba", template.waba, wabas)
        for portfolio_id in self.opted_out:
            _known("portfolio", portfolio_id, portfolios)

    @classmethod
    def load(cls, source: Path | str | bytes | dict[str, object]) -> Self:
        """Return the world of a JSON/TOML file, JSON text, or plain Python value.

        Raises ScenarioError, whose message names the field, for anything unknown or misplaced.
        """
        try:
            if isinstance(source, dict):
                return msgspec.convert(source, cls)
            if isinstance(source, bytes) or (isinstance(source, str) and "{" in source):
                return msgspec.json.decode(source, type=cls)
            return cls._read(Path(source))
        except (msgspec.MsgspecError, tomllib.TOMLDecodeError, OSError) as error:
            name = source if isinstance(source, Path) else "scenario"
            raise ScenarioError(f"{name}: {error}") from error

    @classmethod
    def _read(cls, path: Path) -> Self:
        """Return the world of a file; the ending decides between TOML and JSON."""
        if path.suffix == ".toml":
            return msgspec.convert(tomllib.loads(path.read_text("utf-8")), cls)
        return msgspec.json.decode(path.read_bytes(), type=cls)


def load(source: Path | str | bytes | dict[str, object]) -> World:
    """Return the world of `source`; see World.load."""
    return World.load(source)


def _unique(what: str, names: list[str]) -> set[str]:
    """Return the names as a set, or refuse when one occurs twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what}: `{name}` occurs twice")
        seen.add(name)
    return seen


def _known(what: str, name: str, names: set[str]) -> None:
    """Refuse a name that is not among `names`."""
    if name not in names:
        raise ValueError(f"unknown {what} `{name}`")
