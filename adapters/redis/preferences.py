"""What people want and who is the same person, by keyed hashes only; and its copy in each slot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, TypeVar, cast

from adapters.redis.asking import reply_to
from adapters.redis.calls import Calls
from adapters.redis.connect import Client
from adapters.redis.scripts import Argument, Scripts
from engine.model import Category, NowMs, PortfolioId, RecipientKey
from engine.recipients import KEY_BYTES
from engine.suppressions import AT_ONCE, Leads, Pair, Whom, Word, Words, all_categories

PREFERENCES: Final = "ps:registry:preferences:"  # and a portfolio, none for all
"""ZSET  recipient key (marketing), or key:category, or key: (all) -> time and word"""
T = TypeVar("T")

ALIASES: Final = "ps:registry:aliases:"  # and a portfolio
"""ZSET  two keys of one person in a row, both ways round -> 0; read by its first half"""
LEADS: Final = "ps:registry:leads:"  # and a portfolio
"""HASH  key of an id -> key of the number that Meta says is the person's"""


class RedisPreferences:
    """See engine.suppressions.Choices.

    A score is twice the time, plus one for a stop: of one moment the stop holds.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tell(self, portfolio: PortfolioId, words: Words) -> dict[Whom, Word]:
        """See Choices.tell."""
        for some in bites(words.items()):
            scores = {_member(whom): word.at_ms * 2 + word.stops for whom, word in some}
            await reply_to(self._client.zadd(PREFERENCES + portfolio, scores, gt=True))
        return await self.known(portfolio, list(words))

    async def known(self, portfolio: PortfolioId, whom: Sequence[Whom]) -> dict[Whom, Word]:
        """See Choices.known."""
        found: dict[Whom, Word] = {}
        for some in bites(whom):
            members = cast("list[str]", [_member(each) for each in some])
            scores = await reply_to(self._client.zmscore(PREFERENCES + portfolio, members))
            found |= {
                each: _word(score)
                for each, score in zip(some, scores, strict=True)
                if score is not None
            }
        return found

    async def page(self, portfolio: PortfolioId, cursor: int) -> tuple[dict[Whom, Word], int]:
        """See Choices.page."""
        name = PREFERENCES + portfolio
        following, rows = await reply_to(self._client.zscan(name, cursor, count=AT_ONCE))
        return {_whom(member): _word(score) for member, score in rows}, int(following)

    async def forget(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> None:
        """See Choices.forget."""
        for some in bites(all_categories(recipients)):
            await reply_to(self._client.zrem(PREFERENCES + portfolio, *map(_member, some)))


class RedisPeople:
    """See engine.suppressions.People."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def unite(self, portfolio: PortfolioId, pairs: Iterable[Pair]) -> None:
        """See People.unite."""
        both = [member for one, other in pairs for member in (one + other, other + one)]
        for some in bites(both):
            await reply_to(self._client.zadd(ALIASES + portfolio, dict.fromkeys(some, 0)))

    async def beside(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
    ) -> dict[RecipientKey, list[RecipientKey]]:
        """See People.beside."""
        found: dict[RecipientKey, list[RecipientKey]] = {}
        for some in bites(recipients):
            pipeline = self._client.pipeline(transaction=False)
            for key in some:
                first, last = b"[" + key, b"[" + key + b"\xff" * (KEY_BYTES + 1)
                pipeline.zrangebylex(ALIASES + portfolio, cast("str", first), cast("str", last))
            rows = await reply_to(pipeline.execute())
            found |= {
                key: [RecipientKey(member[KEY_BYTES:]) for member in members]
                for key, members in zip(some, rows, strict=True)
            }
        return found

    async def part(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> None:
        """See People.part."""
        for key, others in (await self.beside(portfolio, recipients)).items():
            for ids in bites([key, *others]):
                await reply_to(self._client.hdel(LEADS + portfolio, *cast("list[str]", ids)))
            both = [member for other in others for member in (key + other, other + key)]
            for some in bites(both):
                await reply_to(self._client.zrem(ALIASES + portfolio, *some))

    async def lead(self, portfolio: PortfolioId, leads: Leads) -> None:
        """See People.lead."""
        for some in bites(leads.items()):
            flat = [word for pair in some for word in pair]
            await reply_to(self._client.hset(LEADS + portfolio, items=flat))

    async def leads(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
    ) -> dict[RecipientKey, RecipientKey]:
        """See People.leads."""
        found: dict[RecipientKey, RecipientKey] = {}
        for some in bites(recipients):
            keys = cast("list[str]", some)
            leads = await reply_to(self._client.hmget(LEADS + portfolio, keys))
            pairs = zip(some, leads, strict=True)
            found |= {key: RecipientKey(to) for key, to in pairs if to is not None}
        return found


class RedisSlots:
    """See engine.suppressions.Slots; `wake` hears where somebody is allowed again."""

    def __init__(
        self,
        scripts: Scripts,
        calls: Calls,
        now_ms: NowMs,
        wake: Callable[[PortfolioId], None],
    ) -> None:
        self._scripts = scripts
        self._calls = calls
        self._now_ms = now_ms
        self._wake = wake

    async def suppress_all(self, portfolio: PortfolioId, stops: Mapping[Whom, bool]) -> None:
        """See Slots.suppress_all."""
        for some in bites(stops.items()):
            arguments: list[Argument] = []
            for whom, stop in some:
                category = whom.category.value if whom.category else ""
                arguments += [whom.recipient + b":" + category.encode(), int(stop)]
            call = self._calls.call("suppression_put", portfolio, self._now_ms(), arguments)
            await self._scripts.run([call])
        if not all(stops.values()):
            self._wake(portfolio)


def bites(items: Iterable[T]) -> Iterable[list[T]]:
    """Yield what one call may carry at a time."""
    rest = iter(items)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _member(whom: Whom) -> bytes:
    if whom.category is Category.MARKETING:
        return bytes(whom.recipient)
    return whom.recipient + b":" + (whom.category.value if whom.category else "").encode()


def _whom(member: bytes) -> Whom:
    recipient, category = RecipientKey(member[:KEY_BYTES]), member[KEY_BYTES + 1 :].decode()
    if len(member) == KEY_BYTES:
        return Whom(recipient, Category.MARKETING)
    return Whom(recipient, Category(category) if category else None)


def _word(score: float) -> Word:
    return Word(int(score) // 2, bool(int(score) % 2))
