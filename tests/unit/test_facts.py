"""Facts: only the newest holds; what the keeper makes of them in the ledger, whoever was first."""

from dataclasses import replace
from itertools import permutations

import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from engine.directory import Portfolio, Sender
from engine.events import Event, FactChanged
from engine.facts import Fact, Source, newest, of_account, of_portfolio, of_sender
from engine.keeper import Keeper
from engine.model import Gate, PortfolioId, SenderId, WabaId
from engine.ports import FOREVER_MS
from engine.senders import QualityGuard, granted_mps
from engine.shutting import NOTHING_SHUT, NOTIFICATIONS, Shut
from engine.terms import Terms

NOW_MS = 1_780_000_000_000
PORTFOLIO, SENDER, WABA = PortfolioId("p1"), SenderId("1065"), WabaId("1022")


class World:
    """A keeper with a ledger and a registry in memory."""

    def __init__(self, guard: QualityGuard | None = None) -> None:
        self.events: list[Event] = []
        self.now_ms = NOW_MS
        self.ledger = MemoryLedger(Terms(), lambda: self.now_ms)
        self.registry = MemoryRegistry()
        self.keeper = Keeper(
            self.registry,
            self.ledger,
            emit=self.events.append,
            now_ms=lambda: self.now_ms,
            guard=guard,
        )

    async def furnish(self) -> None:
        await self.registry.put(Portfolio(PORTFOLIO, 250))
        await self.registry.put(Sender(SENDER, PORTFOLIO, WABA, "+1 555 0100"))
        await self.keeper.obey_limit(PORTFOLIO)
        await self.keeper.obey_sender(SENDER)

    async def tell(
        self, name: str, value: str, at_ms: int, until_ms: int = 0, source: Source = Source.WEBHOOK
    ) -> Fact:
        return await self.keeper.tell(Fact(name, value, at_ms, source, until_ms))

    @property
    def closed_until_ms(self) -> int:
        return self.ledger.slot(PORTFOLIO)[0].senders[SENDER].closed_until_ms

    @property
    def rate_mps(self) -> int:
        return self.ledger.slot(PORTFOLIO)[0].senders[SENDER].slots.nominal_mps

    @property
    def share(self) -> float:
        return self.ledger.slot(PORTFOLIO)[0].senders[SENDER].slots.marketing_share

    @property
    def shut(self) -> Shut:
        return self.ledger.slot(PORTFOLIO)[0].shut.get((Gate.SENDER, SENDER), NOTHING_SHUT)

    @property
    def account_shut(self) -> Shut:
        return self.ledger.slot(PORTFOLIO)[0].shut.get((Gate.ACCOUNT, WABA), NOTHING_SHUT)

    @property
    def account_until_ms(self) -> int:
        return self.ledger.slot(PORTFOLIO)[0].accounts.get(WABA, 0)


@pytest.fixture
async def world() -> World:
    made = World(QualityGuard(0.5, 0.25))
    await made.furnish()
    return made


RESTRICTION = of_account(WABA, "restriction")


async def test_an_older_restriction_does_not_undo_a_reinstatement(world: World) -> None:
    await world.tell(RESTRICTION, "RESTRICTED", 5, FOREVER_MS)
    assert world.account_until_ms == FOREVER_MS
    await world.tell(RESTRICTION, "REINSTATE", 10)
    assert world.account_until_ms == 0
    holds = await world.tell(RESTRICTION, "RESTRICTED", 7, FOREVER_MS)
    assert (holds.value, world.account_until_ms) == ("REINSTATE", 0)


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_the_order_in_which_news_come_does_not_matter(
    world: World, order: tuple[int, ...]
) -> None:
    news = [
        (of_sender(SENDER, "status"), "OFFLINE", 5, FOREVER_MS),
        (of_sender(SENDER, "status"), "CONNECTED", 9, 0),
        (of_sender(SENDER, "quality"), "RED", 6, 0),
        (of_sender(SENDER, "quality"), "YELLOW", 8, 0),
    ]
    for place in order:
        await world.tell(*news[place])
    assert (world.closed_until_ms, world.rate_mps, world.share) == (0, 80, 0.5)


async def test_the_same_again_is_one_change_and_keeps_its_first_moment(world: World) -> None:
    for at_ms in (5, 9):
        await world.tell(of_sender(SENDER, "quality"), "RED", at_ms)
    changes = [each for each in world.events if isinstance(each, FactChanged)]
    assert [(each.fact.value, each.before) for each in changes] == [("RED", None)]
    assert world.keeper.facts[of_sender(SENDER, "quality")].at_ms == 5
    await world.tell(of_sender(SENDER, "quality"), "GREEN", 7)  # older than what was said last
    assert world.keeper.facts[of_sender(SENDER, "quality")].value == "RED"


def test_of_one_moment_the_stricter_holds() -> None:
    opened = Fact(RESTRICTION, "REINSTATE", 5, Source.WEBHOOK)
    closed = replace(opened, value="RESTRICTED", until_ms=9)
    assert newest(opened, closed) == newest(closed, opened) == closed


async def test_several_causes_close_until_the_last_of_them(world: World) -> None:
    await world.tell(of_sender(SENDER, "answer"), "133010", 5, NOW_MS + 10)
    await world.keeper.order(of_sender(SENDER, "pause"), "paused", FOREVER_MS)
    assert world.closed_until_ms == FOREVER_MS
    await world.keeper.order(of_sender(SENDER, "pause"), "")
    assert world.closed_until_ms == NOW_MS + 10


async def test_an_operators_word_of_the_same_moment_is_the_newer(world: World) -> None:
    name = of_sender(SENDER, "pause")
    for value, until_ms in (("paused", FOREVER_MS), ("", 0), ("paused", FOREVER_MS), ("", 0)):
        await world.keeper.order(name, value, until_ms)
        assert world.closed_until_ms == until_ms


@pytest.mark.parametrize(
    ("guard", "shares", "shut_when_red"),
    [
        (QualityGuard(0.5, 0.25), [0.5, 0.25, 1, 1], 0),
        (QualityGuard(0.5, 0), [0.5, 1, 1, 1], FOREVER_MS),
        (QualityGuard(), [1, 1, 1, 1], 0),
    ],
)
async def test_quality_slows_or_holds_marketing_alone_and_lets_go_again(
    guard: QualityGuard, shares: list[float], shut_when_red: int
) -> None:
    world = World(guard)
    await world.furnish()
    seen = []
    for at_ms, quality in enumerate(("YELLOW", "RED", "UNKNOWN", "GREEN")):
        await world.tell(of_sender(SENDER, "quality"), quality, at_ms)
        seen.append(world.share)
        assert world.shut == Shut(marketing=shut_when_red if quality == "RED" else 0)
        assert (world.rate_mps, world.closed_until_ms) == (80, 0)
    assert seen == shares


UNTIL_MS = NOW_MS + 10
HELD = NOTHING_SHUT.also(NOTIFICATIONS, UNTIL_MS)


@pytest.mark.parametrize(
    ("name", "value", "shut", "account_shut"),
    [
        (of_sender(SENDER, "status"), "RESTRICTED", HELD, NOTHING_SHUT),
        (of_sender(SENDER, "answer"), "131048", HELD, NOTHING_SHUT),
        (RESTRICTION, "RESTRICTED_BIZ_INITIATED_MESSAGING", NOTHING_SHUT, HELD),
        (of_account(WABA, "policy"), "131064", NOTHING_SHUT, HELD),
        (
            *(of_account(WABA, "replies"), "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"),
            *(NOTHING_SHUT, Shut(service=UNTIL_MS)),
        ),
    ],
)
async def test_what_closes_in_part_closes_no_more_than_that(
    world: World, name: str, value: str, shut: Shut, account_shut: Shut
) -> None:
    await world.tell(name, value, 5, UNTIL_MS)
    assert (world.shut, world.account_shut) == (shut, account_shut)
    assert (world.closed_until_ms, world.account_until_ms) == (0, 0)
    await world.tell(name, "", 6)
    assert (world.shut, world.account_shut) == (NOTHING_SHUT, NOTHING_SHUT)


async def test_a_pause_beside_a_restriction_closes_everything(world: World) -> None:
    await world.tell(of_sender(SENDER, "status"), "RESTRICTED", 5, UNTIL_MS)
    await world.keeper.order(of_sender(SENDER, "pause"), "paused", FOREVER_MS)
    assert (world.closed_until_ms, world.shut) == (FOREVER_MS, HELD)
    await world.keeper.order(of_sender(SENDER, "pause"), "")
    assert (world.closed_until_ms, world.shut) == (0, HELD)


async def test_a_limit_of_meta_is_in_force_and_kept(world: World) -> None:
    await world.tell(of_portfolio(PORTFOLIO, "limit"), "2000", 5)
    await world.tell(of_portfolio(PORTFOLIO, "limit"), "250", 3)
    assert world.registry.directory.portfolios[PORTFOLIO].messaging_limit == 2_000
    assert (await world.ledger.quota(PORTFOLIO)).limit == 2_000


@pytest.mark.parametrize(
    ("ceiling", "told", "granted"),
    [
        (None, None, 80),
        (None, (5, 1_000), 1_000),
        ((5, 300), None, 300),
        ((5, 20), (9, 80), 20),  # a coexistence number, whatever level Meta lists
        ((5, 300), (9, 80), 80),  # Meta says less, later
        ((9, 300), (5, 80), 300),  # the operator says more, later
    ],
)
def test_who_says_how_fast_a_number_is(
    ceiling: tuple[int, int] | None, told: tuple[int, int] | None, granted: int
) -> None:
    facts = {
        name: Fact(name, str(each[1]), each[0], Source.REFRESH)
        for name, each in (
            (of_sender(SENDER, "ceiling"), ceiling),
            (of_sender(SENDER, "throughput"), told),
        )
        if each
    }
    assert granted_mps(facts, SENDER, 80) == granted


async def test_another_process_that_is_told_something_else_meanwhile_is_not_undone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause is told between the keeper's look at the registry and its word to the ledger."""
    put, paused = (
        world.ledger.put_sender,
        Fact(of_sender(SENDER, "pause"), "paused", NOW_MS, Source.OPERATOR, FOREVER_MS),
    )
    times = 0

    async def put_late(*arguments: object) -> None:
        nonlocal times
        times += 1
        if times == 1:
            await world.registry.tell(paused)
        await put(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(world.ledger, "put_sender", put_late)
    await world.tell(of_sender(SENDER, "quality"), "YELLOW", 5)
    assert (times, world.closed_until_ms) == (2, FOREVER_MS)


async def test_news_of_whom_we_do_not_know_are_kept_until_we_do(world: World) -> None:
    other = SenderId("2000")
    await world.tell(of_sender(other, "status"), "BANNED", 5, FOREVER_MS)
    await world.registry.put(Sender(other, PORTFOLIO, WABA, "+1 555 0101"))
    await world.keeper.obey_sender(other)
    assert world.ledger.slot(PORTFOLIO)[0].senders[other].closed_until_ms == FOREVER_MS


async def test_other_shares_are_in_force_from_the_next_start(world: World) -> None:
    await world.tell(of_sender(SENDER, "quality"), "YELLOW", 5)
    assert world.share == 0.5
    world.keeper.guard = QualityGuard(0.1, 0.1)
    await world.keeper.obey_guard()
    assert world.share == 0.1


async def test_what_an_older_version_closed_whole_is_shut_in_part_from_the_next_start(
    world: World,
) -> None:
    await world.tell(of_sender(SENDER, "status"), "RESTRICTED", 5, UNTIL_MS)
    await world.tell(RESTRICTION, "RESTRICTED_BIZ_INITIATED_MESSAGING", 5, UNTIL_MS)
    spec = replace(world.ledger.slot(PORTFOLIO)[0].senders[SENDER].spec, shut=NOTHING_SHUT)
    await world.ledger.put_sender(PORTFOLIO, SENDER, replace(spec, closed_until_ms=UNTIL_MS))
    await world.ledger.close_account(PORTFOLIO, WABA, UNTIL_MS)
    await world.keeper.obey_guard()
    assert (world.shut, world.account_shut) == (HELD, HELD)
    assert (world.closed_until_ms, world.account_until_ms) == (0, 0)
