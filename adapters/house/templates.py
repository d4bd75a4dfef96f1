"""The templates' part of a house: desk, changes, calls to Meta, and asking about what is stale."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import SystemRandom

from adapters.api.walls import walled_archive, walled_ledger, walled_registry
from adapters.house.shared import House, log
from adapters.house.waking import WakingLedger
from adapters.meta.management import Management
from adapters.meta.news import Failure
from adapters.meta.template_calls import TemplateCalls
from adapters.redis.lane_templates import read_template
from adapters.redis.registry import RedisRegistry
from adapters.redis.template_archive import TemplateArchive
from engine.countries import CountryRules
from engine.directory import Sender, Template
from engine.errors import ProviderRefusedError
from engine.model import JobKey, Priority, WabaId
from engine.opaque import TRIAL
from engine.rechecking import Rechecks
from engine.template_changes import TemplateChanges
from engine.template_desk import TemplateDesk
from engine.template_ports import Place, Places, PlaceWish

LOOK_EVERY_S = 1.0


def changes_of(house: House) -> TemplateChanges:
    """Return what puts changed templates in force."""
    return _changes(house, house.registry, house.ledger)


def callers_changes_of(house: House, changes: TemplateChanges) -> TemplateChanges:
    """Return the same for callers, behind their walls; all take turns."""
    callers = _changes(house, walled_registry(house.registry), walled_ledger(house.ledger))
    callers.turn = changes.turn
    return callers


def _changes(house: House, registry: RedisRegistry, ledger: WakingLedger) -> TemplateChanges:
    return TemplateChanges(
        registry,
        ledger,
        ledger,
        ledger,
        now_ms=house.clock.now_ms,
        moved=house.moved,
    )


def calls_of(house: House, management: Management) -> TemplateCalls:
    """Return the calls to Meta, each with the token of one of the account's senders."""
    registry = walled_registry(house.registry)

    def token_of(waba: WabaId) -> str:
        senders = registry.directory.senders.values()
        tokens = (registry.token_of(each.id) for each in senders if each.waba_id == waba)
        token = next((token for token in tokens if token), "")
        if not token:
            raise ProviderRefusedError(f"no sender of WABA {waba} has an access token", code=190)
        return token

    return TemplateCalls(management, token_of, house.clock.now_ms)


def desk_of(house: House, changes: TemplateChanges, calls: TemplateCalls) -> TemplateDesk:
    """Return the use cases of the account manager."""
    archive = TemplateArchive(house.client)
    return TemplateDesk(house.registry, changes, calls, archive, now_ms=house.clock.now_ms)


def callers_desk_of(house: House, changes: TemplateChanges, calls: TemplateCalls) -> TemplateDesk:
    """Return the same for callers, behind their walls; `changes` are callers' too."""
    registry, archive = (
        walled_registry(house.registry),
        walled_archive(TemplateArchive(house.client)),
    )
    return TemplateDesk(registry, changes, calls, archive, now_ms=house.clock.now_ms)


def naming(house: House) -> Callable[[Failure], Awaitable[str]]:
    """Return what tells the template of a message that failed, by the lane of its job."""

    async def template_of(failure: Failure) -> str:
        sender = house.registry.directory.senders.get(failure.sender)
        ours = house.opaque.decode(failure.opaque) if failure.opaque else None
        if sender is None or ours is None:
            return ""
        return await read_template(house.client, sender.portfolio_id, ours.key.lane)

    return template_of


def taking(house: House) -> Callable[[Sender, str, Template], Awaitable[Place]]:
    """Return what takes a place and a send time for a send that is no job."""
    ledger: Places = walled_ledger(house.ledger)

    async def take(sender: Sender, identity: str, template: Template) -> Place:
        wish = _wish(house, sender, identity, template)
        place = await ledger.take_place(sender.portfolio_id, wish)
        opaque = house.opaque.encode(JobKey(TRIAL, place.taken_ms), 0, wish.recipient)
        return replace(place, opaque=opaque)

    return take


def giving(house: House) -> Callable[[Sender, str, Template, Place], Awaitable[None]]:
    """Return what gives a place back after a send that surely reached nobody."""
    ledger = walled_ledger(house.ledger)

    async def give(sender: Sender, identity: str, template: Template, place: Place) -> None:
        if place.taken_ms:
            wish = _wish(house, sender, identity, template)
            await ledger.give_place(sender.portfolio_id, wish, place.taken_ms)

    return give


def _wish(house: House, sender: Sender, identity: str, template: Template) -> PlaceWish:
    recipient, priority = house.recipients.key(identity), Priority[template.category.name]
    return PlaceWish(sender.id, recipient, template.key, priority)


def rechecks_of(house: House) -> Rechecks:
    """Return what looks again at jobs that were made for other words of their template."""
    countries = CountryRules(house.settings.countries_without_marketing)
    return Rechecks(house.registry.directory, countries)


def asking(desk: TemplateDesk) -> Callable[[], Awaitable[None]]:
    """Return the step that asks Meta about templates that only it can tell about."""
    rng = SystemRandom()

    async def ask() -> None:
        # API processes look at different moments: mostly one asks, and the others hear of it.
        await asyncio.sleep(LOOK_EVERY_S * (0.5 + rng.random()))
        template = await desk.ask_next()
        if template is not None:
            log.info("template_read", template=template.key, status=template.status.value)

    return ask
