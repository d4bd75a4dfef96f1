"""Two processes of a deployment on one real server, one of which acts while the other writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from redis.asyncio import Redis

from adapters.meta.template_folding import TemplateFolding
from adapters.redis.connect import connect, disconnect
from adapters.redis.ledger import RedisLedger
from adapters.redis.lines import lines_of
from adapters.redis.registry import RedisRegistry
from adapters.redis.results import RedisResults
from adapters.redis.seal import Seal
from engine.campaigns import Campaigns
from engine.directory import Campaign, Journey, Portfolio, Sender, Template
from engine.journeys import Journeys
from engine.keeper import Keeper
from engine.model import PortfolioId, SenderId, WabaId
from engine.ports import PortfolioSpec, SenderSpec
from engine.template_changes import TemplateChanges, spec_of
from engine.template_desk import TemplateDesk
from engine.terms import Terms
from tests.front_desk import (
    NOW_MS,
    PORTFOLIO,
    SENDER,
    WABA,
    Master,
    a_template,
    campaign_changes,
)

P, NUMBER, KEY = PortfolioId(PORTFOLIO), SenderId(SENDER), a_template().key
Action = Callable[[], Awaitable[object]]


class Between:
    """What somebody else does at the moment in which a client writes to a key, once for each.

    Made before the client's scripts are: they take their road once.
    """

    def __init__(self, client: Redis) -> None:
        self._actions: list[tuple[str, Action]] = []
        self.lag_s: Callable[[], float] = lambda: 0.0
        """How long a command is on its way to the server; who is quicker overtakes."""
        lines = lines_of(client)
        client.execute_command = partial(self._meddle, client.execute_command)  # type: ignore[method-assign]  # of this client only
        lines.call = partial(self._meddle, lines.call)  # type: ignore[method-assign]  # and of it

    def put(self, key: str, action: Action) -> None:
        """Do something before the next script or HSET that names a key and this word."""
        self._actions.append((key, action))

    @property
    def is_over(self) -> bool:
        """Return whether all of it was done."""
        return not self._actions

    async def _meddle(self, execute: Any, *words: Any, **options: Any) -> Any:  # noqa: ANN401
        key = words[1] if words[0] == "HSET" else words[3] if words[0] == "EVALSHA" else None
        for each in list(self._actions):
            if isinstance(key, str) and each[0] in (key, *words):
                self._actions.remove(each)
                await each[1]()
        if lag_s := self.lag_s():
            await asyncio.sleep(lag_s)
        return await execute(*words, **options)


class House:
    """One process: its registry, its ledger, and the use cases that change records."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.between = Between(client)
        self.registry = RedisRegistry(client, Seal("the seal of this test"))
        self.ledger = RedisLedger(client, Terms(), self.now_ms, tolerance_ms=0)
        parts: Any = (self.registry, self.ledger, self.ledger, self.ledger)
        self.keeper = Keeper(
            self.registry, self.ledger, emit=lambda _event: None, now_ms=self.now_ms
        )
        self.campaigns = Campaigns(*parts, now_ms=self.now_ms, span_ms=86_700_000)
        self.patches = campaign_changes(
            *(self.campaigns, self.registry, self.ledger),
            RedisResults(client, self.ledger),
            self.now_ms,
        )
        self.journeys = Journeys(self.registry, self.ledger, self.ledger, now_ms=self.now_ms)
        self.changes = TemplateChanges(*parts, now_ms=self.now_ms)
        self.master = Master()
        archive: Any = None  # no import here
        self.desk = TemplateDesk(
            self.registry, self.changes, self.master, archive, now_ms=self.now_ms
        )
        self.folding = TemplateFolding(self.registry, self.changes, self.now_ms)

    @staticmethod
    def now_ms() -> int:
        return NOW_MS

    async def close(self) -> None:
        await disconnect(self.client)

    async def furnish(self) -> None:
        """Put a portfolio, a number and a template there, as registry and ledger have them."""
        await self.ledger.load()
        await self.registry.put(Portfolio(P, 250))
        await self.registry.put(Sender(NUMBER, P, WabaId(WABA), "+1 555 0100"))
        await self.registry.put(a_template())
        await self.ledger.put_portfolio(P, PortfolioSpec(250))
        await self.ledger.put_sender(P, NUMBER, SenderSpec(WabaId(WABA)))
        await self.ledger.put_template(P, KEY, spec_of(a_template()))

    async def template(self) -> Template:
        """Return the template as it is now."""
        await self.registry.refresh()
        return self.registry.directory.templates[KEY]

    async def campaign(self) -> Campaign:
        """Return the campaign as it is now."""
        await self.registry.refresh()
        return self.registry.directory.campaigns["c1"]

    async def journey(self) -> Journey:
        """Return the journey as it is now."""
        await self.registry.refresh()
        return self.registry.directory.journeys["j1"]

    async def gate(self) -> str:
        """Return the status that the ledger's gate of the template has."""
        packed: Any = await self.client.hget(f"ps:{{{P}}}:templates", KEY)
        return str(packed.decode().partition("|")[0])

    async def state(self, source: str) -> str:
        """Return the state that the ledger has of a source."""
        found: Any = await self.client.hget(f"ps:{{{P}}}:src:{source}", "state")
        return str(found.decode())


def a_house(server_url: str) -> House:
    """Return a process with a client of its own."""
    client = connect(server_url)
    assert isinstance(client, Redis)
    return House(client)
