"""Test sends that reach nobody: what they took, and what Meta answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.directory import Sender, Template
from engine.model import Priority, SenderId
from engine.recipients import RecipientKeys
from engine.template_ports import Place, PlaceWish

SECRET = b"a secret of this test's ledger"


@dataclass
class Trials:
    """Remembers what was sent past the queue, and whose place was taken before."""

    tried: list[tuple[str, str, Mapping[str, object]]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    ledger: Any = None  # as Desk.ledger
    answer: Any = field(default_factory=dict)  # what Meta's differs in, or what is raised

    async def send(
        self, sender: SenderId, to: str, message: Mapping[str, object]
    ) -> dict[str, object]:
        assert len(self.taken) == len(self.tried) + 1
        self.tried.append((sender, to, message))
        if isinstance(self.answer, Exception):
            raise self.answer
        answer: dict[str, object] = {
            "ok": True,
            "reached_nobody": False,
            "status": 200,
            "headers": {},
            "body": {"messages": [{"id": "wamid.1"}]},
            "request": {"to": to, **message},
        }
        answer |= self.answer
        return answer

    async def give(self, sender: Sender, identity: str, template: Template, place: Place) -> None:
        assert self.taken[-1] == identity
        recipient = RecipientKeys(SECRET).key(identity)
        wish = PlaceWish(sender.id, recipient, template.key, Priority[template.category.name])
        await self.ledger.give_place(sender.portfolio_id, wish, place.taken_ms)

    async def take(self, sender: Sender, identity: str, template: Template) -> Place:
        recipient, priority = RecipientKeys(SECRET).key(identity), Priority[template.category.name]
        wish = PlaceWish(sender.id, recipient, template.key, priority)
        place: Place = await self.ledger.take_place(sender.portfolio_id, wish)
        self.taken += [] if place.gate else [identity]
        return place
