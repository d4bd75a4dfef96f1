"""A token that Meta refuses, or takes again, for every number that uses it."""

from __future__ import annotations

from adapters.meta.codes import verdict
from adapters.meta.facts import SPREAD_MS, closing_fact
from adapters.redis.registry import RedisRegistry
from engine.facts import Fact, Known, Source, of_sender
from engine.model import SenderId, WabaId
from engine.senders import GIVEN, REFUSED, TOKEN


def refused_facts(registry: RedisRegistry, sender: SenderId, code: int, at_ms: int) -> list[Fact]:
    """Return that Meta refuses a sender's token, for each sender that uses it.

    A sender that has got another one since then speaks for itself alone: who else has the one that
    was refused is not known any more, and those who have the new one are not concerned.
    """
    known = registry.directory.facts.get(of_sender(sender, TOKEN))
    is_renewed = known is not None and known.value == GIVEN and known.at_ms > at_ms
    names = [sender] if is_renewed else sharing(registry, sender)
    facts = [closing_fact(verdict(code), WabaId(""), name, at_ms) for name in names]
    return [fact for fact in facts if fact is not None]


def accepted_facts(
    registry: RedisRegistry, sender: SenderId, before: Known, asked_ms: int
) -> list[Fact]:
    """Return that Meta takes a sender's token again, for each other sender that uses it.

    Not for one that was refused since Meta was asked, at `asked_ms`, when `before` was known.
    """
    names = [of_sender(name, TOKEN) for name in sharing(registry, sender) if name != sender]
    refused = [fact for name in names if (fact := registry.directory.facts.get(name))]
    return [
        Fact(each.id, GIVEN, max(asked_ms - SPREAD_MS, each.at_ms + 1), Source.REFRESH)
        for each in refused
        if each.value == REFUSED and each == before.get(each.id)
    ]


def sharing(registry: RedisRegistry, sender: SenderId) -> list[SenderId]:
    """Return the senders that use a sender's token, itself among them."""
    token = registry.token_of(sender)
    numbers = [SenderId(name) for name in registry.directory.senders]
    same = [each for each in numbers if registry.token_of(each) == token]
    return same if token else [sender]
