"""The registry with nothing behind it, for one process and its tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.directory import Directory, Kind, Made, Portfolio, Record, record_name
from engine.facts import Fact, newest
from engine.model import SenderId


class MemoryRegistry:
    """See engine.directory.Registry."""

    def __init__(self) -> None:
        self.directory = Directory()
        self._tokens: dict[SenderId, str] = {}
        self._news: dict[str, Fact] = {}

    async def put(self, record: Record) -> Record:
        """See Registry.put."""
        stored = self._numbered(record)
        self.directory.shelf_of(stored)[record_name(stored)] = stored
        return stored

    async def tell(self, fact: Fact) -> Fact:
        """See Facts.tell."""
        holds = self._news[fact.id] = newest(self._news.get(fact.id), fact)
        if holds.replaces(self.directory.facts.get(fact.id)):
            self.directory.facts[fact.id] = holds
        return holds

    async def add_all(self, records: Sequence[Kind]) -> None:
        """See Registry.add_all."""
        for record in records:
            self.directory.shelf_of(record).setdefault(record_name(record), record)

    async def change(
        self,
        kind: type[Kind],
        name: str,
        changed: Callable[[Kind | None], Made],
        *,
        alone: bool = False,
    ) -> Made:
        """See Registry.change; nobody comes between."""
        del alone
        shelf = self.directory.shelf(kind)
        known = shelf.get(name)
        made = changed(known)
        if made is None:
            shelf.pop(name, None)
        elif made != known:
            made = self._numbered(made)
            self.directory.shelf_of(made)[name] = made
        return made

    def _numbered(self, record: Kind) -> Kind:
        """Return a portfolio with its number, and any other record as it is."""
        if not isinstance(record, Portfolio) or record.number:
            return record
        known = self.directory.portfolios.get(record.id)
        number = known.number if known else len(self.directory.portfolios) + 1
        return replace(record, number=number)

    async def refresh(self) -> None:
        """See Registry.refresh."""

    async def put_token(self, sender: SenderId, token: str) -> None:
        """See Registry.put_token."""
        self._tokens[sender] = token

    def token_of(self, sender: SenderId) -> str:
        """Return a sender's token; empty when there is none."""
        return self._tokens.get(sender, "")
