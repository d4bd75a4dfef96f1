"""Asking Meta about a number: its answer never undoes what came after it was asked."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import cast

import pytest

from adapters.house.asking import Asking
from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from adapters.meta.facts import SPREAD_MS
from adapters.meta.listings import MetaNumber
from adapters.meta.management import Management
from adapters.redis.registry import RedisRegistry
from engine.directory import Portfolio, Sender
from engine.errors import ProviderRefusedError
from engine.facts import Fact, Source, of_sender
from engine.keeper import Keeper
from engine.model import PortfolioId, SenderId, WabaId
from engine.ports import FOREVER_MS
from engine.senders import ANSWER, GIVEN, QUALITY, REFUSED, STATUS, TOKEN, status_fact
from engine.terms import Terms

NOW_MS = 1_780_000_000_000
P, NUMBER, WABA = PortfolioId("p"), SenderId("1065"), WabaId("1022")
Story = Callable[[], Awaitable[None]]


class World:
    """A keeper in memory, and a Meta that lets things happen while it is asked."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.registry = MemoryRegistry()
        self.ledger = MemoryLedger(Terms(), lambda: self.now_ms)
        self.keeper = Keeper(
            self.registry, self.ledger, emit=lambda _event: None, now_ms=lambda: self.now_ms
        )
        self.asking = Asking(
            cast("RedisRegistry", self.registry), self.keeper, cast("Management", self)
        )
        self.asked: list[str] = []  # with which tokens
        self.meanwhile: Story | None = None
        self.refuses = 0

    async def number(self, _waba: str, sender: SenderId, token: str) -> MetaNumber:
        self.asked.append(token)
        if self.meanwhile is not None:
            story, self.meanwhile = self.meanwhile, None
            self.now_ms += 500
            await story()
        self.now_ms += 500
        if self.refuses:
            raise ProviderRefusedError("refused", code=self.refuses)
        return MetaNumber(
            id=sender,
            display_phone_number="+1 555 0100",
            verified_name="Shop",
            status="CONNECTED",
            quality="GREEN",
            name_status="APPROVED",
            code_verification_status="VERIFIED",
            platform_type="CLOUD_API",
            throughput_mps=80,
            messaging_limit=1_000,
        )

    async def review(self, _waba: str, _token: str) -> str:
        return ""

    async def refresh(self) -> None:
        await self.asking.refresh(self.registry.directory.senders[NUMBER])

    async def tell(self, fact: Fact) -> None:
        await self.keeper.tell(fact)

    def value(self, aspect: str) -> str:
        fact = self.registry.directory.facts.get(of_sender(NUMBER, aspect))
        return fact.value if fact else ""

    @property
    def closed_until_ms(self) -> int:
        return self.ledger.slot(P)[0].senders[NUMBER].closed_until_ms


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.registry.put(Portfolio(P, 250))
    await made.registry.put(Sender(NUMBER, P, WABA, "+1 555 0100"))
    await made.registry.put_token(NUMBER, "old")
    await made.keeper.obey_sender(NUMBER)
    yield made
    await made.asking.stop()


def a_refusal(sent_ms: int) -> Fact:
    """A send's answer with 190, as it is told."""
    name = of_sender(NUMBER, TOKEN)
    return Fact(name, REFUSED, sent_ms - SPREAD_MS, Source.ANSWER, FOREVER_MS, "190")


async def test_an_answer_lifts_what_was_closed_before_it_was_asked(world: World) -> None:
    await world.tell(a_refusal(NOW_MS - 60_000))
    await world.tell(
        Fact(of_sender(NUMBER, ANSWER), "133010", NOW_MS - 9, Source.ANSWER, FOREVER_MS)
    )
    assert world.closed_until_ms == FOREVER_MS
    await world.refresh()
    assert (world.value(TOKEN), world.value(ANSWER)) == (GIVEN, "")
    assert world.closed_until_ms == 0


async def test_a_token_that_works_again_opens_every_number_that_has_it(world: World) -> None:
    twin, other = SenderId("2"), SenderId("3")
    for name, token in ((twin, "old"), (other, "another")):
        await world.registry.put(Sender(name, P, WABA, "+1 555 0101"))
        await world.registry.put_token(name, token)
    for name in (NUMBER, twin, other):
        refusal = a_refusal(NOW_MS - 60_000)
        await world.tell(replace(refusal, id=of_sender(name, TOKEN)))
    await world.refresh()
    senders = world.ledger.slot(P)[0].senders
    closed = [senders[name].closed_until_ms for name in (NUMBER, twin, other)]
    assert closed == [0, 0, FOREVER_MS]


async def test_a_twins_refusal_that_came_meanwhile_stays(world: World) -> None:
    twin = SenderId("2")
    await world.registry.put(Sender(twin, P, WABA, "+1 555 0101"))
    await world.registry.put_token(twin, "old")
    refused = replace(a_refusal(NOW_MS - 60_000), id=of_sender(twin, TOKEN))
    await world.tell(refused)
    world.meanwhile = lambda: world.tell(replace(refused, at_ms=NOW_MS - 1))
    await world.refresh()
    assert world.registry.directory.facts[refused.id].value == REFUSED


async def test_a_refusal_of_the_token_that_came_meanwhile_stays(world: World) -> None:
    world.meanwhile = lambda: world.tell(a_refusal(world.now_ms))
    await world.refresh()
    assert (world.value(TOKEN), world.closed_until_ms) == (REFUSED, FOREVER_MS)


async def test_one_refusal_more_than_was_known_stays(world: World) -> None:
    await world.tell(a_refusal(NOW_MS - 60_000))
    world.meanwhile = lambda: world.tell(a_refusal(world.now_ms))
    await world.refresh()
    assert world.value(TOKEN) == REFUSED


@pytest.mark.parametrize("dated_ms", [NOW_MS + 500, NOW_MS - 700, NOW_MS - 30_000])
async def test_news_that_came_meanwhile_stay_whatever_their_date(
    world: World, dated_ms: int
) -> None:
    """Meta dates by the second, and clocks differ."""
    world.meanwhile = lambda: world.tell(status_fact(NUMBER, "OFFLINE", dated_ms, Source.WEBHOOK))
    await world.refresh()
    assert (world.value(STATUS), world.closed_until_ms) == ("OFFLINE", FOREVER_MS)
    assert world.value(QUALITY) == "GREEN"  # what nobody spoke of meanwhile is as Meta says
    await world.asking.ask_next()  # it is asked again by itself
    assert (len(world.asked), world.value(STATUS), world.closed_until_ms) == (2, "CONNECTED", 0)


async def test_what_another_read_brought_meanwhile_stays_unless_that_one_began_before(
    world: World,
) -> None:
    """An operator who asks is told what is, also while the first look of a start is under way."""

    def read_at(at_ms: int) -> Story:
        return lambda: world.tell(status_fact(NUMBER, "OFFLINE", at_ms, Source.REFRESH))

    world.meanwhile = read_at(NOW_MS - 1)
    await world.refresh()
    assert (world.value(STATUS), world.closed_until_ms) == ("CONNECTED", 0)
    world.meanwhile = read_at(world.now_ms + 1)
    await world.refresh()
    assert (world.value(STATUS), world.closed_until_ms) == ("OFFLINE", FOREVER_MS)


async def test_an_answer_that_closed_the_number_meanwhile_stays(world: World) -> None:
    await world.tell(
        Fact(of_sender(NUMBER, ANSWER), "133010", NOW_MS - 9, Source.ANSWER, FOREVER_MS)
    )
    again = Fact(of_sender(NUMBER, ANSWER), "133016", NOW_MS + 500, Source.ANSWER, FOREVER_MS)
    world.meanwhile = lambda: world.tell(again)
    await world.refresh()
    assert (world.value(ANSWER), world.closed_until_ms) == ("133016", FOREVER_MS)


async def test_a_refused_old_token_does_not_close_what_has_a_new_one_by_now(world: World) -> None:
    async def renewed() -> None:
        await world.registry.put_token(NUMBER, "new")
        await world.keeper.order(of_sender(NUMBER, TOKEN), GIVEN)

    world.refuses, world.meanwhile = 190, renewed
    with pytest.raises(ProviderRefusedError):
        await world.refresh()
    assert (world.value(TOKEN), world.closed_until_ms) == (GIVEN, 0)
    with pytest.raises(ProviderRefusedError):
        await world.refresh()
    assert (world.asked, world.value(TOKEN)) == (["old", "new"], REFUSED)
