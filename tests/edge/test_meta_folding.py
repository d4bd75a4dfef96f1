"""Folding: what one body does to the others of its batch, and which words lift a stop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest

from adapters.memory.arrivals import MemoryArrivals
from adapters.memory.ledger import MemoryLedger
from adapters.memory.preferences import MemoryPreferences, MemoryRests, OneByOne
from adapters.memory.registry import MemoryRegistry
from adapters.memory.windows import MemoryWindows
from adapters.meta.codes import RESTS, verdict
from adapters.meta.entries import STEP_BYTES, Entry
from adapters.meta.folding import BODIES_MAX, Folding
from adapters.meta.preferring import Preferring
from adapters.redis.letterbox import Inbox as Letters
from engine.borders import REMEMBERED_MS, border_of
from engine.directory import Directory, Portfolio, Sender
from engine.errors import LedgerAwayError
from engine.keeper import Keeper
from engine.model import Category, Gate, PortfolioId, RecipientKey, SenderId, WabaId
from engine.opaque import OpaqueCodec
from engine.ports import FOREVER_MS, Contents
from engine.receipts import ReceiptFolder, StatusSeen
from engine.recipients import RecipientKeys
from engine.resting import Resting
from engine.suppressions import Pair, Suppressions
from engine.terms import Terms

WABA, SENDER = "1020304050", "106540352242922"
NOW_MS, DAY_S = 1_800_000_000_000, 86_400
P1 = PortfolioId("P")


class Inbox:
    """Bodies that wait."""

    def __init__(self, *bodies: bytes, arrived_ms: int = 0) -> None:
        self.waiting = {
            f"{arrived_ms}-{place}".encode() if arrived_ms else str(place).encode(): body
            for place, body in enumerate(bodies)
        }

    async def read(self, most: int, block_ms: int) -> list[Entry]:
        assert block_ms > 0
        return list(self.waiting.items())[:most]

    async def take_over(self, most: int) -> list[Entry]:
        return list(self.waiting.items())[:most]

    async def drop(self, entries: Sequence[bytes]) -> None:
        for entry in entries:
            del self.waiting[entry]


class Ledger:
    """Hears of stops; some people are poison to it."""

    def __init__(self) -> None:
        self.stopped: set[RecipientKey] = set()
        self.error: Exception = ValueError("poison")
        self.poison: set[RecipientKey] = set()

    async def suppress(self, _: PortfolioId, recipient: RecipientKey, category: Category) -> None:
        assert category is Category.MARKETING
        if recipient in self.poison:
            raise self.error
        self.stopped.add(recipient)

    async def unsuppress(self, _: PortfolioId, recipient: RecipientKey, _c: Category) -> None:
        self.stopped.discard(recipient)


class Folder:
    async def receive(self, seen: Sequence[StatusSeen]) -> dict[PortfolioId, object]:
        assert not seen
        return {}

    def take_aliases(self) -> dict[PortfolioId, set[Pair]]:
        return {}

    def take_leads(self) -> dict[PortfolioId, dict[RecipientKey, RecipientKey]]:
        return {}

    def take_unreached(self) -> dict[PortfolioId, object]:
        return {}


class Keys:
    def key(self, identity: str) -> RecipientKey:
        return RecipientKey(identity.encode())


class Senders:
    portfolio_id = PortfolioId("P")


class Registry:
    directory = cast("Directory", type("D", (), {"senders": {SENDER: Senders()}})())


class Templates:
    async def note_failures(self, statuses: Sequence[object]) -> None:
        assert not statuses


class NoTemplates:
    """Template news have tests of their own."""

    async def note_failures(self, statuses: Sequence[object]) -> None:
        """Hear of failed statuses."""


def a_preferring(choices: MemoryPreferences, contents: Contents) -> Preferring:
    slots, rests = OneByOne(contents), MemoryRests()
    suppressions = Suppressions(choices, choices, slots, lambda: [P1])
    resting = Resting(rests, rests, choices, slots, RESTS, lambda: NOW_MS)
    return Preferring(suppressions, resting, cast("RecipientKeys", Keys()))


def a_folding(ledger: Ledger, inbox: Inbox | Letters) -> Folding:
    preferring = a_preferring(MemoryPreferences(), cast("Contents", ledger))
    parts: tuple[Any, ...] = (
        *(inbox, Folder(), ledger, Registry(), preferring, None, None),
        Templates(),
        list,
        MemoryArrivals(),
        None,
    )
    return Folding(*parts)


def says(person: str, word: str, at_s: int = 1_763_000_000) -> bytes:
    """Return the body of a person's wish about marketing messages."""
    preference = {"wa_id": person, "category": "marketing_messages", "value": word}
    value = {
        "metadata": {"phone_number_id": SENDER},
        "user_preferences": [preference | {"timestamp": at_s}],
    }
    change = {"field": "user_preferences", "value": value}
    return json.dumps({"entry": [{"id": WABA, "changes": [change]}]}).encode()


async def test_only_resume_and_signup_lift_a_stop() -> None:
    world, later_s = World(), NOW_MS // 1_000 - 100
    for word, stops in (("stop", True), ("mute", True), ("resume", False), ("signup", False)):
        later_s += 1
        await world.fold(says("491", word, later_s))
        assert world.is_stopped(b"491") is stops, word


async def test_an_older_word_lifts_no_stop_and_of_one_moment_the_stop_holds() -> None:
    world, at_s = World(), NOW_MS // 1_000
    for word, when_s in (("stop", at_s - 30), ("resume", at_s - 60), ("resume", at_s - 30)):
        await world.fold(says("491", word, when_s))
        assert world.is_stopped(b"491"), word
    await world.fold(says("491", "resume", at_s - 10))
    await world.fold(says("491", "stop", at_s - 20))
    assert not world.is_stopped(b"491")


async def test_a_stop_follows_its_person_to_the_ids_that_meta_tells() -> None:
    world, at_s = World(), NOW_MS // 1_000
    await world.fold(says("491", "stop", at_s - 30))
    known = {"wa_id": "491", "user_id": "DE.1"}
    moved = {
        "id": "w",
        "type": "system",
        "from": "491",
        "system": {"type": "user_changed_number", "wa_id": "492"},
    }
    await world.fold(of_number(contacts=[known, {"wa_id": "493", "user_id": "DE.3"}]))
    await world.fold(of_number(messages=[moved]))
    led = {(key, to) for (_, key), to in world.choices.led.items()}
    assert led == {(b"DE.1", b"491"), (b"DE.3", b"493")}  # each counts under its number from now on
    assert [world.is_stopped(each) for each in (b"DE.1", b"492", b"493", b"DE.3")] == [
        *(True, True, False, False),
    ]
    await world.fold(says("491", "resume", at_s - 10))
    await world.fold(of_number(contacts=[known]))
    assert not world.is_stopped(b"DE.1")


async def test_a_send_that_failed_because_its_person_stopped_is_a_stop() -> None:
    world, at_s = World(), NOW_MS // 1_000
    status = {"id": "w", "status": "failed", "recipient_id": "491", "timestamp": str(at_s)}
    await world.fold(of_number(statuses=[status | {"errors": [{"code": 131050}]}]))
    assert world.is_stopped(b"491")


@pytest.mark.parametrize("take", ["fold_next", "fold_abandoned"])
async def test_two_poison_bodies_are_told_and_stay_while_the_others_are_folded(take: str) -> None:
    ledger = Ledger()
    ledger.poison = {RecipientKey(b"1"), RecipientKey(b"3")}
    inbox = Inbox(*[says(person, "stop") for person in "1234"])
    folding = a_folding(ledger, inbox)
    with pytest.raises(ExceptionGroup) as raised:
        await getattr(folding, take)()
    assert len(raised.value.exceptions) == 2
    assert ledger.stopped == {RecipientKey(b"2"), RecipientKey(b"4")}
    assert list(inbox.waiting) == [b"0", b"2"]


async def test_all_that_was_left_is_folded_however_much_it_is() -> None:
    """An hour of a slot that was away leaves more than one look takes."""
    count = 2 * BODIES_MAX + 50
    inbox = Inbox(*[says(str(person), "stop") for person in range(count)])
    assert await a_folding(Ledger(), inbox).fold_abandoned() == count
    assert inbox.waiting == {}


async def test_many_bodies_are_folded_in_steps_and_a_poison_one_stops_no_later_step() -> None:
    def long(person: str) -> bytes:
        return says(person, "stop") + b" " * STEP_BYTES

    ledger = Ledger()
    ledger.poison = {RecipientKey(b"1"), RecipientKey(b"3")}
    inbox = Inbox(*[long(person) for person in "1234"])
    with pytest.raises(ExceptionGroup) as raised:
        await a_folding(ledger, inbox).fold_next()
    assert [type(error) for error in raised.value.exceptions] == [ValueError, ValueError]
    assert ledger.stopped == {RecipientKey(b"2"), RecipientKey(b"4")}
    assert list(inbox.waiting) == [b"0", b"2"]


async def test_a_ledger_that_is_away_leaves_all_bodies_where_they_are() -> None:
    ledger = Ledger()
    ledger.poison, ledger.error = {RecipientKey(b"1")}, LedgerAwayError("away")
    inbox = Inbox(says("1", "stop"), says("2", "stop"))
    with pytest.raises(LedgerAwayError):
        await a_folding(ledger, inbox).fold_next()
    assert len(inbox.waiting) == 2


class World:
    """A folding with all behind it in memory."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger(Terms(), lambda: NOW_MS)
        self.registry = MemoryRegistry()
        self.keeper = Keeper(self.registry, self.ledger, emit=lambda _: None, now_ms=lambda: NOW_MS)
        self.asked: list[SenderId] = []
        self.heard: list[str] = []
        self.choices = MemoryPreferences()
        self.arrivals = MemoryArrivals()
        self.inbox = Inbox()
        self.poison: Exception | None = None  # what the account's news meet

    @property
    def taken(self) -> int:
        """Return how many send times of the number were taken."""
        slots = self.ledger.slot(P1)[0].senders[SenderId(SENDER)].slots
        return max(0, slots.next_us - NOW_MS * 1_000) // slots.interval_us

    async def obey_account(self, waba: WabaId) -> None:
        """Break down."""
        assert waba == WABA
        assert self.poison is not None
        raise self.poison

    async def fold(
        self, *bodies: bytes, arrived_ms: int = NOW_MS, folder: ReceiptFolder | None = None
    ) -> Folding:
        await self.registry.put(Portfolio(P1, 250))
        await self.registry.put(Sender(SenderId(SENDER), P1, WabaId(WABA), "+1 555 0100"))
        await self.keeper.obey_sender(SENDER)
        if self.poison is not None:
            self.keeper.obey_account = self.obey_account  # type: ignore[method-assign]  # the poison
        self.inbox = Inbox(*bodies, arrived_ms=arrived_ms)
        parts: tuple[Any, ...] = (
            *(self.inbox, folder or Ignoring(), self.ledger, self.registry),
            a_preferring(self.choices, self.ledger),
            *(self.keeper, self.asked.append),
            NoTemplates(),
            self.heard.extend,
            self.arrivals,
            MemoryWindows(self.ledger),
        )
        folding = Folding(*parts)
        await folding.fold_next()
        assert not self.inbox.waiting
        return folding

    def is_stopped(self, person: bytes) -> bool:
        suppressed = self.ledger.slot(P1)[0].suppressed
        return (RecipientKey(person), Category.MARKETING.value) in suppressed

    @property
    def account_until_ms(self) -> int:
        return self.ledger.slot(P1)[0].accounts.get(WabaId(WABA), 0)

    @property
    def templates_until_ms(self) -> int:
        shut = self.ledger.slot(P1)[0].shut[(Gate.SENDER, SENDER)]
        assert shut.service == 0  # answers go
        return shut.utility


class Ignoring:
    async def receive(self, _seen: Sequence[StatusSeen]) -> dict[PortfolioId, object]:
        return {}

    def take_aliases(self) -> dict[PortfolioId, set[Pair]]:
        return {}

    def take_leads(self) -> dict[PortfolioId, dict[RecipientKey, RecipientKey]]:
        return {}

    def take_unreached(self) -> dict[PortfolioId, object]:
        return {}


def a_body(field: str, value: dict[str, Any], at_s: int = 0) -> bytes:
    entry = {"id": WABA, "changes": [{"field": field, "value": value}]}
    return json.dumps({"entry": [entry | ({"time": at_s} if at_s else {})]}).encode()


def of_number(**value: object) -> bytes:
    return a_body("messages", {"metadata": {"phone_number_id": SENDER}, **value})


def of_ban(state: str, at_s: int) -> bytes:
    value = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": state}}
    return a_body("account_update", value, at_s)


async def test_a_late_body_of_a_dead_reader_undoes_nothing() -> None:
    world, at_s = World(), NOW_MS // 1_000
    await world.fold(of_ban("DISABLE", at_s - 90))
    assert world.account_until_ms == FOREVER_MS
    await world.fold(of_ban("REINSTATE", at_s - 30))
    await world.fold(of_ban("DISABLE", at_s - 60))
    assert world.account_until_ms == 0


async def test_news_without_a_time_are_as_old_as_their_arrival() -> None:
    world = World()
    await world.fold(of_ban("REINSTATE", 0), arrived_ms=NOW_MS)
    await world.fold(of_ban("DISABLE", 0), arrived_ms=NOW_MS - 1)
    assert world.account_until_ms == 0
    await world.fold(of_ban("DISABLE", 0), arrived_ms=NOW_MS + 1)
    assert world.account_until_ms == FOREVER_MS


async def test_an_error_of_a_number_closes_it_for_its_time() -> None:
    world = World()
    await world.fold(of_number(errors=[{"code": 131048}, {"code": 130429}, "?"]))
    assert world.templates_until_ms == NOW_MS + DAY_S * 1_000
    assert world.account_until_ms == 0


async def test_a_failed_status_closes_what_it_says_is_closed_and_an_old_one_does_not() -> None:
    def failed(code: int, at_s: int) -> dict[str, object]:
        named: dict[str, object] = {
            "id": "wamid.x",
            "status": "failed",
            "recipient_id": "4915112345678",
        }
        return named | {"timestamp": str(at_s), "errors": [{"code": code}]}

    world, now_s = World(), NOW_MS // 1_000
    await world.fold(of_number(statuses=[failed(131026, now_s), failed(131042, now_s - 7_200)]))
    assert world.account_until_ms <= NOW_MS
    await world.fold(of_number(statuses=[failed(131042, now_s), failed(131042, now_s - 5)]))
    assert world.account_until_ms == NOW_MS + 3_600_000


async def test_a_failed_status_closes_the_country_of_its_person_to_the_account() -> None:
    named: dict[str, object] = {"id": "wamid.x", "status": "failed", "recipient_id": "919812345678"}
    named |= {"timestamp": str(NOW_MS // 1_000), "errors": [{"code": 130497}]}
    world = World()
    await world.fold(of_number(statuses=[named]))
    [border] = world.ledger.slot(P1)[0].borders[WabaId(WABA)]
    assert border == border_of("IN", NOW_MS // 1_000 * 1_000 + REMEMBERED_MS)
    assert world.account_until_ms == 0
    assert world.heard == [SENDER]


async def test_too_fast_of_a_number_alone_lowers_its_rate() -> None:
    world = World()
    await world.fold()
    folder = ReceiptFolder(
        receipts=world.ledger,
        opaque=OpaqueCodec(b"secret"),
        portfolio_of={SENDER: P1}.get,
        key_of=lambda digits: RecipientKey(digits.encode().ljust(8, b"_")[:8]),
        undelivered=lambda _code: False,
        throttled=lambda code: verdict(code).gate is Gate.RATE,
        emit=lambda _event: None,
    )
    body = of_number(errors=[{"code": 130429, "title": "Rate limit hit"}])
    await world.fold(body, body, of_number(errors=[{"code": 131048}]), folder=folder)
    slots = world.ledger.slot(P1)[0].senders[SenderId(SENDER)].slots
    assert (slots.learned_mps, slots.nominal_mps) == (56, 80)  # once, told twice in a second
