"""Folding: what one body does to the others of its batch, and which words lift a stop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest

from adapters.meta.folding import Entry, Folding
from engine.directory import Directory
from engine.errors import LedgerAwayError
from engine.model import Category, PortfolioId, RecipientKey
from engine.receipts import StatusSeen

WABA, SENDER = "1020304050", "106540352242922"


class Inbox:
    """Bodies that wait."""

    def __init__(self, *bodies: bytes) -> None:
        self.waiting = {str(place).encode(): body for place, body in enumerate(bodies)}

    async def read(self, most: int, block_ms: int) -> list[Entry]:
        assert block_ms > 0
        return list(self.waiting.items())[:most]

    async def take_over(self, most: int) -> list[Entry]:
        return list(self.waiting.items())[:most]

    async def drop(self, entries: Sequence[bytes]) -> None:
        for entry in entries:
            del self.waiting[entry]


class Ledger:
    """Hears of stops; some people are poison to it."""

    def __init__(self) -> None:
        self.stopped: set[RecipientKey] = set()
        self.error: Exception = ValueError("poison")
        self.poison: set[RecipientKey] = set()

    async def suppress(self, _: PortfolioId, recipient: RecipientKey, category: Category) -> None:
        assert category is Category.MARKETING
        if recipient in self.poison:
            raise self.error
        self.stopped.add(recipient)

    async def unsuppress(self, _: PortfolioId, recipient: RecipientKey, _c: Category) -> None:
        self.stopped.discard(recipient)


class Folder:
    async def receive(self, seen: Sequence[StatusSeen]) -> dict[PortfolioId, object]:
        assert not seen
        return {}


class Keys:
    def key(self, identity: str) -> RecipientKey:
        return RecipientKey(identity.encode())


class Senders:
    portfolio_id = PortfolioId("P")


class Registry:
    directory = cast("Directory", type("D", (), {"senders": {SENDER: Senders()}})())


class Templates:
    async def note_failures(self, statuses: Sequence[object]) -> None:
        assert not statuses


def a_folding(ledger: Ledger, inbox: Inbox) -> Folding:
    parts: tuple[Any, ...] = (inbox, Folder(), ledger, Registry(), Keys(), Templates())
    return Folding(*parts)


def says(person: str, word: str) -> bytes:
    """Return the body of a person's wish about marketing messages."""
    preference = {"wa_id": person, "category": "marketing_messages", "value": word}
    value = {
        "metadata": {"phone_number_id": SENDER},
        "user_preferences": [preference | {"timestamp": "1763000000"}],
    }
    change = {"field": "user_preferences", "value": value}
    return json.dumps({"entry": [{"id": WABA, "changes": [change]}]}).encode()


async def test_only_resume_and_signup_lift_a_stop() -> None:
    ledger = Ledger()
    for word, is_stopped in (("stop", True), ("mute", True), ("resume", False)):
        inbox = Inbox(says("491", word))
        assert await a_folding(ledger, inbox).fold_next() == 1
        assert (RecipientKey(b"491") in ledger.stopped) is is_stopped, word


@pytest.mark.parametrize("take", ["fold_next", "fold_abandoned"])
async def test_two_poison_bodies_are_told_and_stay_while_the_others_are_folded(take: str) -> None:
    ledger = Ledger()
    ledger.poison = {RecipientKey(b"1"), RecipientKey(b"3")}
    inbox = Inbox(*[says(person, "stop") for person in "1234"])
    folding = a_folding(ledger, inbox)
    with pytest.raises(ExceptionGroup) as raised:
        await getattr(folding, take)()
    assert len(raised.value.exceptions) == 2
    assert ledger.stopped == {RecipientKey(b"2"), RecipientKey(b"4")}
    assert list(inbox.waiting) == [b"0", b"2"]


async def test_a_ledger_that_is_away_leaves_all_bodies_where_they_are() -> None:
    ledger = Ledger()
    ledger.poison, ledger.error = {RecipientKey(b"1")}, LedgerAwayError("away")
    inbox = Inbox(says("1", "stop"), says("2", "stop"))
    with pytest.raises(LedgerAwayError):
        await a_folding(ledger, inbox).fold_next()
    assert len(inbox.waiting) == 2
