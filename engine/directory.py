"""What the house knows by name: portfolios, senders, templates, sources and keys, as told."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Protocol, TypeVar

from engine.facts import Fact, Facts
from engine.model import (
    Category,
    PortfolioId,
    Priority,
    SenderId,
    SourceState,
    TemplateStatus,
    WabaId,
)
from engine.quiet import QuietHours
from engine.templates import Signature, signature_of


class Role(StrEnum):
    """What a key may do; each may also do what the later ones may."""

    ADMIN = "admin"
    SEND = "send"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A business portfolio and its limit, as the operator or Meta told it."""

    id: PortfolioId
    messaging_limit: int  # unique recipients per window; -1 unlimited
    quota_scope: str = "portfolio"
    headroom: float = 0.0
    reserve: dict[str, float] = field(default_factory=dict[str, float])
    used_before: int = 0
    number: int = 0  # its short name in public job ids; given by the registry


@dataclass(frozen=True, slots=True)
class Sender:
    """A business number; its access token is kept apart, sealed."""

    id: SenderId
    portfolio_id: PortfolioId
    waba_id: WabaId
    display_phone_number: str
    throughput: int = 80  # messages a second that Meta grants, as far as it is known
    alias: str = ""  # its label in metrics
    added_at_ms: int = 0  # 0 of one that was added before this was kept


@dataclass(frozen=True, slots=True)
class TemplateDraft:
    """What a template shall become once it is submitted."""

    category: Category
    components: list[dict[str, object]]
    parameter_format: str = "POSITIONAL"


@dataclass(frozen=True, slots=True)
class Template:
    """A template in one language, as Meta told it; its draft beside it.

    The moments are those of the news, to the second: older news changes nothing any more.
    """

    waba_id: WabaId
    name: str
    language: str
    category: Category
    status: TemplateStatus
    components: list[dict[str, object]]
    parameter_format: str = "POSITIONAL"
    meta_id: str = ""
    quality: str = "UNKNOWN"
    coming_category: str = ""  # Meta announced that it will be this one
    rejected_reason: str = ""
    draft: TemplateDraft | None = None
    status_at_ms: int = 0
    reason_at_ms: int = 0  # news from before it do not tell why it has its status: an earlier time
    quality_at_ms: int = 0
    category_at_ms: int = 0
    edited_at_ms: tuple[int, ...] = ()  # our edits of the last 30 days
    read_at_ms: int = 0  # when Meta was last asked
    stale_since_ms: int = 0  # when something last happened that only Meta can tell; 0: all is told
    is_read: bool = True  # False: news named it, and Meta was not asked yet what it is
    version: int = 0  # how often what it wants filled in, or its category, changed
    changed_at_ms: int = 0  # when that was last

    @property
    def key(self) -> str:
        """Return the name lanes and gates know it by."""
        return template_key(self.waba_id, self.name, self.language)

    @property
    def signature(self) -> Signature:
        """Return what it wants filled in."""
        return signature_of(self.category, self.components, self.parameter_format)


@dataclass(frozen=True, slots=True)
class AccountRules:
    """How the templates of a WhatsApp Business Account are judged here, as the operator set it."""

    waba_id: WabaId
    profile: str = "meta"  # of engine.template_rules.PROFILES
    tracking: str = ""  # what its dynamic URLs begin with; empty: anything

    @property
    def id(self) -> str:
        """Return its name within its kind."""
        return self.waba_id


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as created; how it goes is in the ledger's books."""

    id: str
    name: str
    portfolio_id: PortfolioId
    senders: tuple[SenderId, ...]
    message: dict[str, object]
    fields: tuple[str, ...]  # of the recipients, in the order of a row's tail
    templates: tuple[str, ...]  # keys, one for each sender: each WABA has its own
    category: Category
    priority: Priority
    content: int  # version of the shared message
    state: SourceState = SourceState.DRAFT
    weight: int = 1
    start_at_ms: int = 0
    expires_at_ms: int = 0
    repeats_max: int = 0
    created_at_ms: int = 0
    started_at_ms: int = 0
    on_template_change: str = "resume"  # or `stay_stopped`, when it is approved again and fits
    stopped_by: str = ""  # the template whose change stopped it
    stopped_from: SourceState | None = None  # where it stood then
    recipients_max: int = 0  # rows it takes; 0 is as many as come
    paused_because: str = ""  # when it was not a person who paused it
    quiet: QuietHours | None = None
    shares: tuple[int, ...] = ()  # parts of the people each sender is dealt; empty: alike

    @property
    def source(self) -> str:
        """Return its name in the ledger."""
        return f"campaign:{self.id}"


@dataclass(frozen=True, slots=True)
class Journey:
    """A standing source: its nodes send one message now, again and again."""

    id: str
    name: str
    portfolio_id: PortfolioId
    state: SourceState = SourceState.RUNNING
    weight: int = 1
    priority: Priority | None = None  # None: by the category of what is sent
    ttl_ms: int = 0  # how long a trigger is worth sending; 0 is for ever
    cooldown_ms: int = 0  # how long it leaves a person alone after it wrote to them
    created_at_ms: int = 0
    quiet: QuietHours | None = None
    on_template_change: str = "resume"  # or `stay_stopped`, when what stopped it is approved again
    stopped_by: str = ""  # the template whose change stopped it
    stopped_from: SourceState | None = None  # where it stood then; None: it waits for a person

    @property
    def source(self) -> str:
        """Return its name in the ledger."""
        return f"journey:{self.id}"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Who may call; only the hash of the secret part is known."""

    id: str
    name: str
    role: Role
    sha256: bytes
    created_at_ms: int = 0
    portfolio: str = ""  # the only one it sees and may change; empty: all


Record = Portfolio | Sender | Template | AccountRules | Campaign | Journey | ApiKey | Fact
Kind = TypeVar("Kind", bound=Record)
Made = TypeVar("Made", bound=Record | None)


def template_key(waba: str, name: str, language: str) -> str:
    """Return the name lanes and gates know a template by."""
    return f"{waba}/{name}/{language}"


def record_name(record: Record) -> str:
    """Return the name of a record within its kind."""
    return record.key if isinstance(record, Template) else record.id


class Directory:
    """All records in this process, for looking up without waiting."""

    def __init__(self) -> None:
        self.portfolios: dict[str, Portfolio] = {}
        self.senders: dict[str, Sender] = {}
        self.templates: dict[str, Template] = {}
        self.account_rules: dict[str, AccountRules] = {}
        self.campaigns: dict[str, Campaign] = {}
        self.journeys: dict[str, Journey] = {}
        self.api_keys: dict[str, ApiKey] = {}
        self.facts: dict[str, Fact] = {}

    def shelf_of(self, record: Kind) -> dict[str, Kind]:
        """Return the shelf a record stands on."""
        return self.shelf(type(record))

    def shelf(self, kind: type[Kind]) -> dict[str, Kind]:
        """Return the shelf of a kind of records."""
        shelves: Mapping[type, object] = {
            Portfolio: self.portfolios,
            Sender: self.senders,
            Template: self.templates,
            AccountRules: self.account_rules,
            Campaign: self.campaigns,
            Journey: self.journeys,
            ApiKey: self.api_keys,
            Fact: self.facts,
        }
        return shelves[kind]  # type: ignore[return-value]  # each shelf holds its own kind

    def portfolio_of_number(self, number: int) -> Portfolio | None:
        """Return the portfolio that public job ids call `number`."""
        return next((p for p in self.portfolios.values() if p.number == number), None)

    def portfolios_of_waba(self, waba: str) -> list[PortfolioId]:
        """Return the portfolios that have senders in an account: Meta allows one."""
        return sorted({each.portfolio_id for each in self.senders.values() if each.waba_id == waba})

    def key_of(self, key_id: str, sha256: bytes) -> ApiKey | None:
        """Return the key with this id when the hash of its secret agrees; in constant time."""
        known = self.api_keys.get(key_id)
        expected = known.sha256 if known else bytes(len(sha256))
        return known if hmac.compare_digest(expected, sha256) else None

    def templates_of(self, waba: str) -> list[Template]:
        """Return the templates of an account, by name and language."""
        found = [each for each in self.templates.values() if each.waba_id == waba]
        return sorted(found, key=lambda each: (each.name, each.language))

    def portfolio_of_waba(self, waba: str) -> PortfolioId | None:
        """Return the portfolio whose senders are in this account; None while it has none."""
        senders = self.senders.values()
        return next((each.portfolio_id for each in senders if each.waba_id == waba), None)

    def signature(self, key: str) -> Signature:
        """Return what a known template wants, without reading its components again."""
        return _signature(_Same(self.templates[key]))


class Registry(Protocol):
    """Where the records last; every process sees a change within about a second."""

    @property
    def directory(self) -> Directory:
        """Return what this process knows now."""
        ...

    async def put(self, record: Record) -> Record:
        """Store a record, also in this process; return it with what the registry gave it.

        Whatever others made of it is lost: a record that was read before is changed with `change`.
        """
        ...

    async def add_all(self, records: Sequence[Kind]) -> None:
        """Store those records of a kind that are not there yet, in one step; the others stay.

        They need nothing of the registry's own.
        """
        ...

    async def change(
        self,
        kind: type[Kind],
        name: str,
        changed: Callable[[Kind | None], Made],
        *,
        alone: bool = False,
    ) -> Made:
        """Change a record as it is now, None where there is none; return what it became.

        `changed` returns what becomes of it, None to forget it, and does nothing else: where
        somebody wrote the record meanwhile it is asked again, with that one. The directory is then
        as new as the record. What it raises is raised here, and nothing was changed. With `alone`
        it is asked again also where another one was changed with `alone`: for a rule about all
        records of a kind, which `changed` looks at in the directory. LedgerError: it may have
        been changed, and may not; do it again.
        """
        ...

    async def refresh(self) -> None:
        """Take over what other processes changed; cheap when nothing did."""
        ...


class Vault(Registry, Protocol):
    """A registry that also keeps what senders call Meta with."""

    async def put_token(self, sender: SenderId, token: str) -> None:
        """Seal and store a sender's access token; it never comes back over the API."""
        ...


class Newsroom(Registry, Facts, Protocol):
    """A registry that also keeps what was told."""


class _Same:
    """A template by identity: a change of it is another object."""

    __slots__ = ("template",)

    def __init__(self, template: Template) -> None:
        self.template = template

    def __hash__(self) -> int:
        return id(self.template)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.template is self.template


@lru_cache(maxsize=4_096)
def _signature(same: _Same) -> Signature:
    return same.template.signature
