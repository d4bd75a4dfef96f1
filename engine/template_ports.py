"""The sockets of templates: Meta's management of them, and the archive of replaced sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from engine.directory import Template, TemplateDraft
from engine.model import (
    Category,
    Gate,
    PortfolioId,
    Priority,
    RecipientKey,
    SenderId,
    TemplateStatus,
    WabaId,
)


@dataclass(slots=True)
class Listing:
    """An account's templates as Meta lists them; `unreadable` rows stand for templates too."""

    templates: list[Template]
    unreadable: int = 0


@dataclass(slots=True)
class Submitted:
    """Meta's answer to a new template."""

    meta_id: str
    status: TemplateStatus
    category: Category


class Master(Protocol):
    """Meta's management of templates. All raise ProviderError when it does not say yes."""

    async def listing(self, waba: WabaId) -> Listing:
        """Return all templates of an account, of every page."""
        ...

    async def one(self, template: Template) -> Template | None:
        """Return a template as Meta knows it now; None when Meta has none of this name."""
        ...

    async def create(self, template: Template, draft: TemplateDraft) -> Submitted:
        """Submit a new template for review."""
        ...

    async def edit(self, template: Template, draft: TemplateDraft) -> None:
        """Replace a template's components; it is in review then."""
        ...

    async def delete(self, template: Template) -> None:
        """Delete one language of a template."""
        ...


RUNS: Final = -1
HAS_ROWS: Final = -2


@dataclass(frozen=True, slots=True)
class Repoint:
    """What all rows of a source are from now on, with the same fields as before."""

    templates: Mapping[SenderId, str]  # the key of the template of each sender's lanes
    priority: Priority
    body: bytes = b""  # as Contents.put_content took it; empty: as it is
    expires_ms: int | None = None  # when they expire, whatever each says; 0 never; None: as it is
    repeats_max: int | None = None  # copies after a doubt, whatever each says; None: as it is
    version: int = 0  # of its message: older rows are refused from now on; 0: as it is
    is_first: bool = False  # only while it has no rows


class TemplateJobs(Protocol):
    """The jobs of templates in the ledger. All are O(lanes), and raise LedgerError."""

    async def repoint(self, portfolio: PortfolioId, source: str, wish: Repoint) -> int:
        """Change a source's waiting rows; return how many rows it has had.

        RUNS while it runs or once it is cancelled, HAS_ROWS where it was to have none: nothing was
        changed then. Every version of its message becomes the new one, and whoever claims hears of
        it before he writes: what he reads then must be stored already.
        """
        ...

    async def end_template(self, portfolio: PortfolioId, template: str) -> dict[str, int]:
        """End what waits for a disabled or deleted template; return how many jobs of each source.

        Nothing where the gate of the template says that it may come back. Jobs under way are
        settled as ever; what comes back unwritten, or was kept aside, ends in its time. The rows
        of a draft stay.
        """
        ...

    async def users(self, portfolio: PortfolioId, template: str, since_ms: int) -> list[str]:
        """Return the sources that send it: of which jobs wait for it, or came in since then."""
        ...


@dataclass(frozen=True, slots=True)
class PlaceWish:
    """A send that is no job: one message with a template, now."""

    sender: SenderId
    recipient: RecipientKey
    template: str  # its key
    priority: Priority  # what the classes above keep back is closed to it


@dataclass(frozen=True, slots=True)
class Place:
    """A send time and, where the person is not counted already, a place; or the gate that refused.

    `until_ms` is when that gate may open; FOREVER_MS where nobody knows.
    """

    gate: Gate | None = None
    until_ms: int = 0
    send_at_us: int = 0
    taken_ms: int = 0  # for give_place; 0 where nothing counts
    opaque: str = ""  # what rides along: a failure that is told later gives the place back by it


class TakesBack(Protocol):
    """Takes places in the window back."""

    async def give_place(self, portfolio: PortfolioId, wish: PlaceWish, taken_ms: int) -> None:
        """Give back what was taken, once: the send surely reached nobody.

        LedgerError: it may not have been given back; else it ends with its window. Asked twice it
        gives back once, but for another send to this person that counts from the same millisecond.
        """
        ...


class Places(TakesBack, Protocol):
    """Places in the window for sends that are no jobs."""

    async def take_place(self, portfolio: PortfolioId, wish: PlaceWish) -> Place:
        """Take a place and a send time in one step with the gates, or say which one refuses.

        The person counts from now on, until it is given back. Raises LedgerError when nobody
        knows whether it was taken: then nothing may be sent.
        """
        ...


class Archive(Protocol):
    """Where the sets of templates are kept that an import replaced."""

    async def keep(self, waba: WabaId, at_ms: int, templates: Sequence[Template]) -> None:
        """Keep a set; the oldest beyond a few is dropped."""
        ...

    async def moments(self, waba: WabaId) -> list[int]:
        """Return when sets were replaced, the newest first."""
        ...

    async def read(self, waba: WabaId, at_ms: int) -> list[Template] | None:
        """Return one set; None when it is not there (any more)."""
        ...
