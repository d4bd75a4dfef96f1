"""What is folded once more changes nothing: messages that came in, bodies with poison in them."""

import json

import pytest
from redis.asyncio import Redis

from adapters.memory.arrivals import MemoryArrivals
from adapters.redis.arrivals import RedisArrivals
from adapters.redis.letterbox import Inbox as Letters
from engine.errors import LedgerAwayError
from engine.inbound import HEARD_MS
from engine.model import RecipientKey, SenderId
from engine.ports import FOREVER_MS
from tests.edge.test_meta_folding import (
    NOW_MS,
    P1,
    SENDER,
    WABA,
    Ledger,
    World,
    a_folding,
    of_ban,
    of_number,
    says,
)


def wrote(*ids: str, at_s: int = NOW_MS // 1_000) -> bytes:
    """Return the body of as many messages of one person."""
    text = {"from": "491", "type": "text", "text": {"body": "Hi"}, "timestamp": str(at_s)}
    return of_number(messages=[text | {"id": name} for name in ids])


async def test_what_people_wrote_just_now_takes_from_their_numbers_throughput() -> None:
    world = World()
    await world.fold(wrote(*"abcdefgh"))
    assert world.taken == 8
    await world.fold(wrote("i", at_s=NOW_MS // 1_000 - 60))
    assert world.taken == 8  # that minute is over


async def test_a_message_takes_once_however_often_it_is_told_and_its_body_is_folded() -> None:
    world = World()
    poison = of_ban("DISABLE", NOW_MS // 1_000)
    world.poison = ValueError("poison")
    with pytest.raises(ExceptionGroup):
        await world.fold(wrote("a", "b"), wrote("b"), poison)
    assert world.taken == 2  # all were folded once more, one by one
    assert list(world.inbox.waiting.values()) == [poison]


async def test_what_an_outage_left_in_hand_is_folded_at_the_next_step_and_once(
    redis_client: Redis,
) -> None:
    """And not when its reader counts as dead: a stop would not be heard for a minute."""
    inbox = Letters(redis_client, redis_client, "reader")
    await inbox.open()
    for person in "12":
        await inbox.keep(says(person, "stop"))
    ledger = Ledger()
    ledger.poison, ledger.error = {RecipientKey(b"2")}, LedgerAwayError("away")
    folding = a_folding(ledger, inbox)
    for _ in range(2):
        with pytest.raises(LedgerAwayError):
            await folding.fold_next()
    assert await inbox.length() == 2
    ledger.poison = set()
    assert await folding.fold_next() == 2
    assert (ledger.stopped, await inbox.length()) == ({RecipientKey(b"1"), RecipientKey(b"2")}, 0)
    await inbox.keep(says("3", "stop"))
    assert await folding.fold_next() == 1


async def test_a_message_that_two_processes_hear_of_takes_once() -> None:
    world = World()
    for _ in range(2):  # each with a folding of its own
        await world.fold(wrote("a", "b"))
    assert world.taken == 2


@pytest.mark.parametrize("kind", [MemoryArrivals, RedisArrivals])
async def test_an_arrival_is_new_once(
    kind: type[MemoryArrivals | RedisArrivals], redis_client: Redis
) -> None:
    arrivals = kind(redis_client) if kind is RedisArrivals else MemoryArrivals()
    number, other = SenderId("1"), SenderId("2")
    assert await arrivals.new([(number, "a"), (other, "a")], NOW_MS) == [True, True]
    assert await arrivals.new([(number, "b"), (number, "a")], NOW_MS + 1) == [True, False]
    later_ms = NOW_MS + HEARD_MS  # nobody looks at it by then: it came too long ago
    assert await arrivals.new([(number, "a"), (number, "b")], later_ms) == [True, False]
    assert await arrivals.new([], later_ms) == []
    assert 0 < await redis_client.pttl("ps:arrived") <= HEARD_MS or kind is MemoryArrivals


async def test_an_item_that_cannot_be_folded_keeps_none_of_its_body_out() -> None:
    world, at_s = World(), NOW_MS // 1_000
    ban = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}
    name = {"display_phone_number": "15550100", "decision": "APPROVED"}
    changes = [
        {"field": "account_update", "value": ban},
        {"field": "phone_number_name_update", "value": name},
    ]
    world.poison = ValueError("poison")
    body = json.dumps({"entry": [{"id": WABA, "time": at_s, "changes": changes}]}).encode()
    with pytest.raises(ValueError, match="poison"):
        await world.fold(body)
    assert world.registry.directory.facts[f"sender/{SENDER}/name"].value == "APPROVED"
    assert world.asked == [SENDER]
    assert list(world.inbox.waiting.values()) == [body]  # and comes again


async def test_one_broken_thing_in_a_body_drops_nothing_else() -> None:
    world = World()
    changes = [
        {"field": "account_update", "value": [1]},
        {"field": "business_capability_update", "value": {}},
        {"field": "phone_number_quality_update", "value": {"display_phone_number": "15550100"}},
        7,
        {"field": "account_update", "value": {"event": "ACCOUNT_DELETED"}},
    ]
    body = json.dumps({"entry": ["?", {"id": WABA, "changes": changes}]}).encode()
    folding = await world.fold(body)
    assert world.account_until_ms == FOREVER_MS
    assert world.asked == [SENDER]
    assert folding.results == {
        ("other", "malformed"): 2,
        ("account_update", "malformed"): 1,
        ("account_update", "folded"): 1,
        ("business_capability_update", "folded"): 1,
        ("phone_number_quality_update", "folded"): 1,
    }


async def test_a_window_is_open_a_day_from_when_the_person_wrote_and_never_from_later() -> None:
    world, now_s = World(), NOW_MS // 1_000
    for person, at_s in (("491", now_s - 3_600), ("492", now_s + 3_600), ("493", 0)):
        text = {"id": "w", "from": person, "type": "text", "timestamp": str(at_s)}
        await world.fold(of_number(messages=[text]))
    windows = world.ledger.slot(P1)[0].service_windows
    day_ms = 86_400_000
    assert windows[(SENDER, RecipientKey(b"491"))] == NOW_MS - 3_600_000 + day_ms
    assert windows[(SENDER, RecipientKey(b"492"))] == NOW_MS + day_ms  # when it came
    assert windows.get((SENDER, RecipientKey(b"493")), 0) <= day_ms  # long over
