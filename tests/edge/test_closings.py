"""What an answer closed, as facts: the right account's, and of a token everybody's who has it."""

from typing import cast

import pytest

from adapters.house.closings import Closings
from adapters.memory.registry import MemoryRegistry
from adapters.meta.facts import SPREAD_MS
from adapters.redis.registry import RedisRegistry
from engine.directory import Sender
from engine.events import GateClosed, Journey
from engine.facts import Fact, Source, of_sender
from engine.keeper import Keeper
from engine.model import Gate, PortfolioId, SenderId, WabaId
from engine.outcomes import Deferred
from engine.ports import FOREVER_MS
from engine.senders import GIVEN, TOKEN
from tests.builders import a_claimed, a_lane

P1 = PortfolioId("p1")
SENT_US = 1_800_000_000_000_000
TOKENS = {"1": "shared", "2": "shared", "3": "another"}


@pytest.fixture
async def closings() -> Closings:
    registry = MemoryRegistry()
    for name, token in TOKENS.items():
        waba = WabaId(f"w{name}")
        await registry.put(Sender(SenderId(name), P1, waba, f"+1 555 010{name}"))
        await registry.put_token(SenderId(name), token)
    return Closings(cast("RedisRegistry", registry), cast("Keeper", None))


def a_cause(sender: str, gate: Gate, code: int, until_ms: int) -> Journey:
    job = a_claimed(lane=a_lane(sender=SenderId(sender)))
    return job, Deferred(gate, code, until_ms, "why"), SENT_US, 5_000


def meant(closings: Closings, gate: Gate, key: str, *causes: Journey) -> dict[str, Fact]:
    return {fact.id: fact for fact in closings.facts_of(GateClosed(P1, gate, key, causes))}


def test_of_several_accounts_in_a_batch_each_has_its_own_answer(closings: Closings) -> None:
    causes = [
        a_cause("1", Gate.ACCOUNT, 80007, 500),
        a_cause("2", Gate.ACCOUNT, 131042, 9_000),
        a_cause("1", Gate.ACCOUNT, 613, 700),
    ]
    [first] = meant(closings, Gate.ACCOUNT, "w1", *causes).values()
    assert (first.id, first.value, first.until_ms) == ("waba/w1/answer", "613", 700)
    [second] = meant(closings, Gate.ACCOUNT, "w2", *causes).values()
    assert (second.id, second.value, second.until_ms) == ("waba/w2/answer", "131042", 9_000)
    assert meant(closings, Gate.ACCOUNT, "w3", *causes) == {}


@pytest.mark.parametrize("code", [4, 341])
def test_the_limit_of_the_app_closes_every_account(closings: Closings, code: int) -> None:
    facts = meant(closings, Gate.ACCOUNT, "w1", a_cause("1", Gate.ACCOUNT, code, 700))
    assert facts.keys() == {"waba/w1/app", "waba/w2/app", "waba/w3/app"}
    assert {(each.value, each.until_ms) for each in facts.values()} == {(str(code), 700)}


@pytest.mark.parametrize("code", [0, 102, 190])
def test_a_refused_token_is_refused_for_all_who_have_it(closings: Closings, code: int) -> None:
    cause = a_cause("1", Gate.SENDER, code, FOREVER_MS)
    facts = meant(closings, Gate.SENDER, "1", cause)
    assert facts.keys() == {"sender/1/token", "sender/2/token"}
    fact = facts["sender/2/token"]
    assert (fact.value, fact.until_ms) == ("refused", FOREVER_MS)
    assert fact.at_ms == SENT_US // 1_000 - SPREAD_MS  # a token given since then is another one


async def test_a_refused_old_token_says_nothing_of_those_who_had_the_new_one_before(
    closings: Closings,
) -> None:
    """The operator gives number after number another token while answers to the old one come."""
    sent_ms = SENT_US // 1_000
    registry = closings._registry
    await registry.tell(Fact(of_sender("2", TOKEN), GIVEN, sent_ms - 9_000, Source.OPERATOR))
    await registry.tell(Fact(of_sender("1", TOKEN), GIVEN, sent_ms + 50, Source.OPERATOR))
    cause = a_cause("1", Gate.SENDER, 190, FOREVER_MS)
    facts = meant(closings, Gate.SENDER, "1", cause)
    assert facts.keys() == {"sender/1/token"}  # told, it is older news: the gate opens


def test_a_permission_that_is_missing_is_the_numbers_own_trouble(closings: Closings) -> None:
    facts = meant(closings, Gate.SENDER, "1", a_cause("1", Gate.SENDER, 200, FOREVER_MS))
    assert facts.keys() == {"sender/1/answer"}


def test_what_no_answer_closed_opens_by_itself_and_is_no_fact(closings: Closings) -> None:
    assert meant(closings, Gate.SENDER, "1", a_cause("1", Gate.SENDER, 0, 60_000)) == {}
    assert meant(closings, Gate.SENDER, "1") == {}
