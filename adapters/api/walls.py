"""What a key of one portfolio sees: that portfolio's records and nothing else, on every route.

The walls stand where records are looked up and stored, not in the handlers: a route that forgets
to ask whose a thing is finds nothing that belongs to somebody else. What is not seen is answered
as what is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, ItemsView, Iterator, MutableMapping, Sequence, ValuesView
from contextvars import ContextVar
from typing import Any, TypeVar, cast, overload

from engine.directory import (
    ApiKey,
    Campaign,
    Directory,
    Journey,
    Made,
    Portfolio,
    Record,
    Sender,
    record_name,
)
from engine.errors import InvalidJobError, UnknownNameError
from engine.facts import Fact
from engine.model import SenderId
from engine.ports import SenderSpec

_WORD = re.compile("[A-Z][a-z]*")

Kind = TypeVar("Kind")
Other = TypeVar("Other")
Stored = TypeVar("Stored", bound=Record)


class Scope:
    """The portfolio of the key that calls, and the WABAs its senders are in."""

    def __init__(self, portfolio: str, directory: Directory) -> None:
        self.portfolio = portfolio
        self._directory = directory
        self._wabas: frozenset[str] | None = None

    @property
    def wabas(self) -> frozenset[str]:
        """Return them, looked up once a request."""
        if self._wabas is None:
            senders = self._directory.senders.values()
            mine = (each.waba_id for each in senders if each.portfolio_id == self.portfolio)
            self._wabas = frozenset(mine)
        return self._wabas

    def hides(self, node: str) -> bool:
        """Return whether an id of Meta's is that of a thing of another portfolio."""
        directory = self._directory
        found = [each for each in directory.senders.values() if node in (each.id, each.waba_id)]
        templates = (each for each in directory.templates.values() if each.meta_id == node)
        return any(not self.sees(each) for each in (*found, *templates))

    def sees(self, record: object) -> bool:
        """Return whether a record belongs here; one of a kind we do not know does not."""
        if isinstance(record, Portfolio):
            return record.id == self.portfolio
        if isinstance(record, ApiKey):
            return record.portfolio == self.portfolio
        if isinstance(record, Fact):
            return self._sees_fact(record)
        owner = getattr(record, "portfolio_id", None)
        if owner is not None:
            return bool(owner == self.portfolio)
        return getattr(record, "waba_id", None) in self.wabas

    def _sees_fact(self, fact: Fact) -> bool:
        kind, name, _ = fact.about
        if kind == "portfolio":
            return name == self.portfolio
        if kind == "sender":
            sender = self._directory.senders.get(name)
            return sender is not None and sender.portfolio_id == self.portfolio
        # Of an account, or of a template: WABA/name/language.
        return kind in ("waba", "template") and name.partition("/")[0] in self.wabas


_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)
"""Of the request that is served: each has a task and so a context of its own; None sees all."""


def enter(portfolio: str, directory: Directory) -> None:
    """Let the rest of this request see one portfolio only; an empty name sees all."""
    _scope.set(Scope(portfolio, directory) if portfolio else None)


def scope() -> Scope | None:
    """Return what the request that is served may see; None is everything."""
    return _scope.get()


def walled_registry(registry: Kind) -> Kind:
    """Return a registry that shows and takes only what the calling key may see."""
    return cast("Kind", _WalledRegistry(registry))


def walled_ledger(ledger: Kind) -> Kind:
    """Return a ledger whose every call is about the caller's portfolio only.

    It does as well for all that is asked like one: a portfolio, several, or batches come first.
    """
    return cast("Kind", _WalledLedger(ledger))


def walled_archive(archive: Kind) -> Kind:
    """Return an archive whose every call is about an account of the caller's portfolio only."""
    return cast("Kind", _WalledArchive(archive))


class Shelf(MutableMapping[str, Kind]):
    """A shelf of the directory as the caller sees it."""

    def __init__(self, shelf: dict[str, Kind]) -> None:
        self._shelf = shelf

    def __getitem__(self, name: str) -> Kind:
        record = self._shelf[name]
        caller = _scope.get()
        if caller is None or caller.sees(record):
            return record
        raise KeyError(name)

    @overload
    def get(self, name: str, /) -> Kind | None: ...

    @overload
    def get(self, name: str, /, default: Kind | Other) -> Kind | Other: ...

    def get(self, name: str, /, default: object = None) -> object:
        """Return what is seen, or `default`: the look of every job at the door."""
        record = self._shelf.get(name)
        if record is None:
            return default
        caller = _scope.get()
        return record if caller is None or caller.sees(record) else default

    def __iter__(self) -> Iterator[str]:
        caller = _scope.get()
        if caller is None:
            return iter(self._shelf)
        return iter([name for name, record in self._shelf.items() if caller.sees(record)])

    def __len__(self) -> int:
        return len(self._shelf) if _scope.get() is None else sum(1 for _ in self)

    def __setitem__(self, name: str, record: Kind) -> None:
        self._shelf[name] = record

    def __delitem__(self, name: str) -> None:
        del self._shelf[name]

    def values(self) -> ValuesView[Kind]:
        """Return what is seen; all of it as fast as the shelf itself."""
        return self._shelf.values() if _scope.get() is None else super().values()

    def items(self) -> ItemsView[str, Kind]:
        """Return what is seen by name; all of it as fast as the shelf itself."""
        return self._shelf.items() if _scope.get() is None else super().items()


class WalledDirectory(Directory):
    """The directory as the caller sees it."""

    def __init__(self, directory: Directory) -> None:
        super().__init__()
        for name, shelf in vars(directory).items():
            assert isinstance(shelf, dict), f"{name} has no wall yet"
            setattr(self, name, Shelf(shelf))


class _WalledRegistry:
    def __init__(self, registry: Any) -> None:  # noqa: ANN401 (any registry, seen or stored)
        self._registry = registry
        self._all: Directory = registry.directory
        self.directory = WalledDirectory(self._all)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._registry, name)

    async def put(self, record: Record) -> Record:
        """See Registry.put; what the caller may not see he may not store."""
        self._check(record)
        stored: Record = await self._registry.put(record)
        return stored

    async def add_all(self, records: Sequence[Record]) -> None:
        """See Registry.add_all."""
        for record in records:
            self._check(record)
        await self._registry.add_all(records)

    async def change(
        self,
        kind: type[Stored],
        name: str,
        changed: Callable[[Stored | None], Made],
        *,
        alone: bool = False,
    ) -> Made:
        """See Registry.change; what the caller may not see is not there, nor stored by him."""

        def walled(known: Stored | None) -> Made:
            caller = _scope.get()
            is_hidden = caller is not None and known is not None and not caller.sees(known)
            made = changed(None if is_hidden else known)
            if made is not None:
                self._check(made)
            elif is_hidden:
                raise UnknownNameError(f"there is no {_word_of(kind)} {name}")
            return made

        stored: Made = await self._registry.change(kind, name, walled, alone=alone)
        return stored

    async def tell(self, fact: Fact) -> Fact:
        """See Facts.tell."""
        self._check(fact)
        holds: Fact = await self._registry.tell(fact)
        return holds

    async def put_token(self, sender: str, token: str) -> None:
        """See Registry.put_token."""
        if _scope.get() is not None and sender not in self.directory.senders:
            raise UnknownNameError(f"there is no sender {sender}")
        await self._registry.put_token(sender, token)

    def token_of(self, sender: SenderId) -> str:
        """Return a sender's access token, for a call in its name."""
        if _scope.get() is not None and sender not in self.directory.senders:
            raise UnknownNameError(f"there is no sender {sender}")
        token: str = self._registry.token_of(sender)
        return token

    def _check(self, record: Record) -> None:
        caller = _scope.get()
        if caller is None:
            return
        name = record_name(record)
        known = self._all.shelf_of(record).get(name)
        kind = _word_of(type(record))
        is_source = isinstance(record, (Campaign, Journey))
        if is_source and known is not None and not caller.sees(known):
            detail = f"is the id of another {kind}; choose another id"  # names are the house's
            raise InvalidJobError(detail, pointer="/id", code="conflict")
        # Who belongs to whom is said by a key of all portfolios: a sender's portfolio and WABA.
        is_moved = isinstance(record, Sender) and (
            not isinstance(known, Sender) or known.waba_id != record.waba_id
        )
        if is_moved or not caller.sees(record) or (known and not caller.sees(known)):
            raise UnknownNameError(f"there is no {kind} {name}")


def _word_of(kind: type) -> str:
    return " ".join(_WORD.findall(kind.__name__)).lower()


class _WalledLedger:
    def __init__(self, ledger: object) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._ledger, name)

        def walled(first: object, *arguments: object, **named: object) -> Any:  # noqa: ANN401
            caller = _scope.get()
            if caller is not None:
                _check_call(caller, first, (*arguments, *named.values()))
            return method(first, *arguments, **named)

        return walled


class _WalledArchive:
    def __init__(self, archive: object) -> None:
        self._archive = archive

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._archive, name)

        def walled(waba: str, *arguments: object) -> Any:  # noqa: ANN401
            caller = _scope.get()
            if caller is not None and waba not in caller.wabas:
                raise UnknownNameError(f"no sender and no template of WABA {waba} is known")
            return method(waba, *arguments)

        return walled


def _check_call(caller: Scope, first: object, arguments: tuple[object, ...]) -> None:
    """Refuse a call about another portfolio: the first argument names it, or is a list of such.

    A sender's WABA is said by a key of all portfolios.
    """
    several = first if isinstance(first, list) else [first]
    named = [getattr(each, "portfolio", each) for each in several]  # of a batch, its member
    if any(each != caller.portfolio for each in named):
        raise UnknownNameError("there is no such portfolio")
    for each in arguments:
        if isinstance(each, SenderSpec) and each.waba not in caller.wabas:
            raise UnknownNameError("there is no such WABA")
