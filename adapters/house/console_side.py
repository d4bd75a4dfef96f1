"""The Console in a house: where its picture comes from, and who may look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from aiohttp import web

from adapters.api.front import Front
from adapters.api.problems import Problem
from adapters.api.walls import scope, walled_ledger
from adapters.console.overview import Overviews, Sources
from adapters.console.pages import Pages
from adapters.console.viewers import Pacing, Viewers
from adapters.house.shared import House, terms_of
from adapters.meta.codes import verdict
from adapters.redis.freeing import Freeing
from adapters.redis.pulses import PulseReader
from engine.directory import ApiKey, Directory, Role
from engine.pulses import Pulse, Pulses, Times

OURS: Final = "our own refusal"  # code 0: no answer of Meta


class OwnPulses:
    """The pulses of the senders that the calling key may see, by their labels.

    A label that a sender elsewhere has too is left out: its numbers are those of both.
    """

    def __init__(self, pulses: Pulses, directory: Directory) -> None:
        self._pulses = pulses
        self._directory = directory

    async def newest(self) -> Sequence[Pulse]:
        """See Pulses.newest."""
        pulses, caller = await self._pulses.newest(), scope()
        if caller is None:
            return pulses
        labels: dict[bool, set[str]] = {True: set(), False: set()}
        for each in self._directory.senders.values():
            labels[caller.sees(each)].add(each.alias or each.id)
        own = labels[True] - labels[False]
        return [
            replace(each, outcomes=_of(own, each.outcomes), errors=_of(own, each.errors))
            for each in pulses
        ]


def _of(labels: set[str], times: Times) -> Times:
    return {label: told for label, told in times.items() if label in labels}


def build_console(house: House, front: Front) -> Pages:
    """Return the Console's pages: all of it stands behind the walls of the calling key."""
    span_ms, now_ms = terms_of(house.settings).span_ms, house.clock.now_ms
    sources = Sources(
        directory=front.registry.directory,
        books=front.ledger,
        status_of=front.campaigns.status,
        pulses=OwnPulses(PulseReader(house.client, now_ms), house.registry.directory),
        frees=walled_ledger(Freeing(house.client, now_ms, span_ms)),
        count_workers=house.attendance.count,
        title_of=title_of,
        now_ms=now_ms,
        span_ms=span_ms,
        window_ms=house.settings.window_ms,
        guard=house.keeper.guard,
    )
    pacing, groups = Pacing(), dict[str, Viewers]()

    def viewers_of(key: ApiKey) -> Viewers:
        """Return those who see the same: whoever takes their look sees that and no more."""
        if key.portfolio not in groups:
            groups[key.portfolio] = Viewers(Overviews(sources).take, pacing)
        return groups[key.portfolio]

    def who_is(request: web.Request) -> ApiKey | None:
        try:
            return front.check(request, Role.READ)
        except Problem:
            return None

    return Pages(viewers_of, lambda route: front.may(Role.READ, route), who_is)


def title_of(code: str) -> str:
    """Return what one of Meta's codes means.

    >>> title_of("131056"), title_of("0"), title_of("other")
    ('pair rate limit', 'our own refusal', 'other')
    """
    if not code.isdecimal():
        return code
    return verdict(int(code)).title if int(code) else OURS
