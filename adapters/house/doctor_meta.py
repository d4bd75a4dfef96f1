"""What the doctor asks Meta: whether each number answers to its token, and how it stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

from adapters.clock import Clock
from adapters.house.findings import Finding, State
from adapters.meta.listings import MetaNumber
from adapters.meta.management import Management, build_management_session
from adapters.redis.registry import RedisRegistry
from adapters.settings import Settings
from engine.directory import Sender
from engine.errors import ProviderAwayError, ProviderBusyError, ProviderRefusedError
from engine.facts import of_sender
from engine.senders import CEILING, value_of

META_PATIENCE_S: Final = 20.0


async def examine_senders(
    registry: RedisRegistry, senders: Iterable[Sender], settings: Settings
) -> AsyncIterator[Finding]:
    """Yield how each sender stands; one call of its account each."""
    session = build_management_session()
    management = Management(
        session,
        graph_url=settings.graph_url,
        graph_version=settings.graph_version,
        now_ms=Clock().now_ms,
    )
    try:
        for sender in sorted(senders, key=lambda each: (each.alias, each.id)):
            yield await _examine_sender(registry, sender, management)
    finally:
        await session.close()


async def _examine_sender(
    registry: RedisRegistry, sender: Sender, management: Management
) -> Finding:
    subject = f"sender {sender.alias or sender.id}"
    renew = f"Run `penstock sender add {sender.id} … --token -` with a new token."
    try:
        if registry.is_sealed_elsewhere(sender.id):
            found, remedy = "another key sealed its token", "Set the PENSTOCK_SECRET_KEY it had."
            return Finding(subject, State.FAIL, found, remedy)
        token = registry.token_of(sender.id)
        if not token:
            return Finding(subject, State.FAIL, "it has no access token", renew)
        async with asyncio.timeout(META_PATIENCE_S):
            number = await management.number(sender.waba_id, sender.id, token)
    except ProviderRefusedError as error:
        return Finding(subject, State.FAIL, f"Meta refuses: {error}", renew)
    except (ProviderAwayError, ProviderBusyError, TimeoutError) as error:
        why = f"Meta does not answer: {str(error) or 'no answer in time'}"
        return Finding(subject, State.WARN, why, "Ask again; check the way to PENSTOCK_GRAPH_URL.")
    ceiling = value_of(registry.directory.facts, of_sender(sender.id, CEILING))
    return _number_finding(subject, sender, number, ceiling)


def _number_finding(subject: str, sender: Sender, number: MetaNumber, ceiling: str) -> Finding:
    """Return how a number stands; a ceiling that an operator set below Meta's word is meant so."""
    found = f"{number.status}, quality {number.quality}, name {number.name_status}"
    if not number.is_connected:
        return Finding(subject, State.FAIL, found, "Register the number at Meta.")
    granted_mps = number.throughput_mps
    if granted_mps is not None and granted_mps != sender.throughput:
        found += f", Meta grants {granted_mps} a second and we keep {sender.throughput}"
        if not ceiling or granted_mps < sender.throughput:
            return Finding(
                subject, State.WARN, found, f"Run `penstock sender refresh {sender.id}`."
            )
        found += ", as an operator set it"
    if number.quality == "RED":
        return Finding(subject, State.WARN, found, "See PenstockQualityFalls in docs/runbook.md.")
    return Finding(subject, State.OK, found)
