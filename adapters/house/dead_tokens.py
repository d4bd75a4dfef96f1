"""A token that Meta refuses, for every number that uses it."""

from __future__ import annotations

from adapters.meta.codes import verdict
from adapters.meta.facts import closing_fact
from adapters.redis.registry import RedisRegistry
from engine.facts import Fact
from engine.model import SenderId, WabaId


def refused_facts(registry: RedisRegistry, sender: SenderId, code: int, at_ms: int) -> list[Fact]:
    """Return that Meta refuses a sender's token, for each sender that uses it."""
    token = registry.token_of(sender)
    numbers = [SenderId(name) for name in registry.directory.senders]
    same = [each for each in numbers if registry.token_of(each) == token]
    names = same if token else [sender]
    facts = [closing_fact(verdict(code), WabaId(""), name, at_ms) for name in names]
    return [fact for fact in facts if fact is not None]
