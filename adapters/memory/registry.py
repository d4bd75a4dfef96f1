"""The registry with nothing behind it, for one process and its tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.directory import Directory, Portfolio, Record, record_name
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
        if isinstance(record, Portfolio) and not record.number:
            known = self.directory.portfolios.get(record.id)
            number = known.number if known else len(self.directory.portfolios) + 1
            record = replace(record, number=number)
        self.directory.shelf_of(record)[record_name(record)] = record
        return record

    async def tell(self, fact: Fact) -> Fact:
        """See Facts.tell."""
        holds = self._news[fact.id] = newest(self._news.get(fact.id), fact)
        if holds.replaces(self.directory.facts.get(fact.id)):
            self.directory.facts[fact.id] = holds
        return holds

    async def put_all(self, records: Sequence[Record]) -> None:
        """See Registry.put_all."""
        for record in records:
            self.directory.shelf_of(record)[record_name(record)] = record

    async def refresh(self) -> None:
        """See Registry.refresh."""

    async def put_token(self, sender: SenderId, token: str) -> None:
        """See Registry.put_token."""
        self._tokens[sender] = token

    def token_of(self, sender: SenderId) -> str:
        """Return a sender's token; empty when there is none."""
        return self._tokens.get(sender, "")
