"""The records that last: portfolios, senders, templates, sources, keys; tokens only sealed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec

from adapters.redis.asking import reply_to
from adapters.redis.change_log import NEVER, ChangeLog
from adapters.redis.connect import Client
from adapters.redis.scripts import Call, Scripts
from adapters.redis.seal import Seal, SealError
from engine.directory import (
    AccountRules,
    ApiKey,
    Campaign,
    Directory,
    Journey,
    Kind,
    Made,
    Portfolio,
    Record,
    Sender,
    Template,
    record_name,
)
from engine.errors import LedgerAwayError
from engine.facts import Fact, packed, unpacked
from engine.model import PortfolioId, SenderId

PREFIX: Final = "ps:registry:"
NUMBERS: Final = PREFIX + "numbers"  # hash: portfolio -> its number; `:last` counts them
TOKENS_KIND: Final = "tokens"
TOKENS: Final = PREFIX + TOKENS_KIND  # hash: phone number id -> sealed access token
SECRETS: Final = PREFIX + "secrets"  # hash: name -> 32 random bytes, made once
KINDS: Final[Mapping[str, type[Record]]] = {
    "portfolios": Portfolio,
    "senders": Sender,
    "templates": Template,
    "account_rules": AccountRules,
    "campaigns": Campaign,
    "journeys": Journey,
    "api_keys": ApiKey,
    "facts": Fact,
}
NEWS: Final = PREFIX + "news:"  # and a fact's name; zset: what was told -> when; only the newest
encode: Final = msgspec.json.encode
decode: Final = msgspec.json.decode
KIND_OF: Final[Mapping[type, str]] = {record: kind for kind, record in KINDS.items()}
CHANGE: Final = "record_change"  # the script
READS_MAX: Final = 10  # in a row, while this process goes on writing; then with the next refresh
AT_ONCE: Final = 200  # records of one write or read: a megabyte of templates, a millisecond of ours
READ_ALL_EVERY_S: Final = 600.0
"""Who died between writing a record and noting it has told nobody: others see it by then."""
SECRET_BYTES: Final = 32


class RedisRegistry:
    """See engine.directory.Registry; a change is seen by all processes at their next refresh."""

    def __init__(self, client: Client, seal: Seal) -> None:
        self.directory = Directory()
        self.changed: Callable[[], None] = _nobody
        """Told after each change made here, so that other processes hear of it at once."""
        self._client = client
        self._seal = seal
        self._changes = ChangeLog(client)
        self._scripts = Scripts(client)
        self._turns: dict[str, bytes] = {}  # by kind, those whose records we know
        self._seen = NEVER
        self._read_all_at_s = 0.0  # by the loop's clock
        self._refreshing = asyncio.Lock()
        self._begun, self._ended = 0, 0  # refreshes
        self._failure: str | None = None  # of the last one
        self._writes = 0  # begun and ended ones
        self._sealed: dict[str, bytes] = {}
        self._tokens: dict[str, tuple[bytes, str]] = {}

    async def put(self, record: Record) -> Record:
        """See Registry.put."""
        record = await self._numbered(record)
        await self._write(KIND_OF[type(record)], record_name(record), record)
        return record

    async def add_all(self, records: Sequence[Kind]) -> None:
        """See Registry.add_all; whoever hears of it reads them once."""
        if not records:
            return
        kind = KIND_OF[type(records[0])]
        for start in range(0, len(records), AT_ONCE):
            chunk = records[start : start + AT_ONCE]
            names = [record_name(each) for each in chunk]
            pipeline = self._client.pipeline(transaction=False)
            for name, each in zip(names, chunk, strict=True):
                pipeline.hsetnx(PREFIX + kind, name, encode(each))
            await reply_to(pipeline.execute())
            await self._changes.note(kind, names)
        await self.refresh()
        self.changed()

    async def change(
        self,
        kind: type[Kind],
        name: str,
        changed: Callable[[Kind | None], Made],
        *,
        alone: bool = False,
    ) -> Made:
        """See Registry.change: stored where the stored one is to the letter what was read."""
        await self.refresh()
        word = KIND_OF[kind]
        known: Kind | None = self._shelf(word).get(name)
        before = b"" if known is None else encode(known)
        while True:
            turn = await self._turn(word) if alone else b""
            made = await self._numbered(changed(known))
            other = await self._exchange(word, name, before, made, turn=turn)
            if other is None:
                return made
            await self.refresh()  # what came with it
            before, known = other, decode(other, type=kind) if other else None

    async def _exchange(
        self, kind: str, name: str, before: bytes, kept: Record | bytes | None, *, turn: bytes = b""
    ) -> bytes | None:
        """Write what is still as it was read; else return what it is, empty where it is not."""
        after = kept if isinstance(kept, bytes) else b"" if kept is None else encode(kept)
        self._writes += 1
        call = Call(CHANGE, PREFIX + kind, [name, before, after, turn])
        [(is_done, told)] = await self._scripts.run([call])
        if not is_done:
            self._take(kind, {name.encode(): told or None})
            self._writes += 1
            return bytes(told)
        if turn:
            self._turns[kind] = told
        if after == before:
            self._writes += 1
            return None
        self._shelve(kind, name, kept)
        await self._changes.note(kind, [name])
        self._writes += 1
        self.changed()
        return None

    def _shelve(self, kind: str, name: str, kept: Record | bytes | None) -> None:
        if kept is None:
            self._shelf(kind).pop(name, None)
        else:
            self._shelf(kind)[name] = kept

    async def _turn(self, kind: str) -> bytes:
        """Return a kind's turn, with all records it counts on the shelf.

        They may have been written and not noted yet, so all of the kind are read; not those that
        this process wrote itself.
        """
        while True:
            turn = await reply_to(self._client.get(f"ps:{{{PREFIX}{kind}}}:turn")) or b"0"
            if self._turns.get(kind) == turn:
                return turn
            async with self._refreshing:
                if await self._read_kind(kind):
                    self._turns[kind] = turn

    async def _numbered(self, record: Made) -> Made:
        """Return a portfolio with its number, and any other record as it is."""
        if isinstance(record, Portfolio) and not record.number:
            return replace(record, number=await self._number(record.id))
        return record

    async def refresh(self) -> None:
        """See Registry.refresh; whoever comes while others wait shares what the next one reads.

        One after the other: of two that read at once, the one that ends last may have the older
        records. And where Redis does not answer, nobody waits for more than two.
        """
        came = self._begun
        async with self._refreshing:
            if self._ended <= came:
                self._begun += 1
                self._failure = None
                try:
                    await self._read_changes()
                except LedgerAwayError as error:
                    self._failure = str(error)
                self._ended = self._begun
            if self._failure is not None:
                raise LedgerAwayError(self._failure)

    async def _read_changes(self) -> None:
        """Read what was noted since the last time; seldom all records."""
        now_s = asyncio.get_running_loop().time()
        found = None if now_s >= self._read_all_at_s else await self._changes.since(self._seen)
        if found is None:
            newest = await self._changes.newest()
            if all([await self._read_kind(kind) for kind in (*KINDS, TOKENS_KIND)]):
                self._seen, self._read_all_at_s = newest, now_s + READ_ALL_EVERY_S
            return
        changed, newest = found
        known = changed.keys() & {*KINDS, TOKENS_KIND}  # a newer version may have more
        if all([await self._read(kind, changed[kind]) for kind in known]):
            self._seen = newest

    async def tell(self, fact: Fact) -> Fact:
        """See Facts.tell.

        Scores order what several processes are told at once. Whoever writes the record looks again
        afterwards, so the last to write it has written the newest.
        """
        await reply_to(self._client.zadd(NEWS + fact.id, {packed(fact): fact.at_ms}, gt=True))
        await reply_to(self._client.zremrangebyrank(NEWS + fact.id, 0, -2))
        holds = await self._newest(fact.id)
        while holds.replaces(self.directory.facts.get(fact.id)):
            await self.put(holds)
            holds = await self._newest(fact.id)
        return holds

    async def _newest(self, name: str) -> Fact:
        rows: list[tuple[bytes, float]] = await reply_to(
            self._client.zrange(NEWS + name, -1, -1, withscores=True)
        )
        content, at_ms = rows[0]
        return unpacked(name, content, int(at_ms))

    async def put_token(self, sender: SenderId, token: str) -> None:
        """See Registry.put_token."""
        sealed = self._seal.close(sender, token)
        await self._write(TOKENS_KIND, sender, sealed)

    def token_of(self, sender: SenderId) -> str:
        """Return a sender's access token; empty when there is none that our secrets open."""
        sealed = self._sealed.get(sender)
        if sealed is None:
            return ""
        known = self._tokens.get(sender)
        if known is None or known[0] != sealed:
            try:
                known = sealed, self._seal.open(sender, sealed)
            except SealError:
                known = sealed, ""  # its jobs wait behind `sender`: none fails for our mistake
            self._tokens[sender] = known
        return known[1]

    def is_sealed_elsewhere(self, sender: SenderId) -> bool:
        """Return whether a sender's token is here that none of our secrets opens."""
        return sender in self._sealed and not self.token_of(sender)

    async def reseal(self) -> list[str]:
        """Seal with the first secret what another one sealed; return senders that none opens."""
        unopened: list[str] = []
        for sender, sealed in list(self._sealed.items()):
            try:
                is_old = self._seal.is_of_another(sender, sealed)
            except SealError:
                unopened.append(sender)
                continue
            if is_old:  # unless somebody puts another token meanwhile, under the first secret
                fresh = self._seal.close(sender, self._seal.open(sender, sealed))
                await self._exchange(TOKENS_KIND, sender, sealed, fresh)
        return unopened

    async def secret(self, name: str, first: bytes = b"") -> bytes:
        """Return a secret of this ledger; whoever asks first makes it, of `first` where given."""
        mine = first or secrets.token_bytes(SECRET_BYTES)
        await reply_to(self._client.hsetnx(SECRETS, name, mine))
        kept: bytes = await reply_to(self._client.hget(SECRETS, name))
        return kept

    async def kept_secret(self, name: str) -> bytes:
        """Return a secret of this ledger, empty where none was made yet; makes none."""
        kept: bytes | None = await reply_to(self._client.hget(SECRETS, name))
        return kept or b""

    async def _number(self, portfolio: PortfolioId) -> int:
        """Return a portfolio's number for ever; whoever asks first takes the next one."""
        last = await reply_to(self._client.incr(NUMBERS + ":last"))
        await reply_to(self._client.hsetnx(NUMBERS, portfolio, str(last)))
        return int(await reply_to(self._client.hget(NUMBERS, portfolio)))

    async def _write(self, kind: str, name: str, kept: Record | bytes) -> None:
        """Write, put it on our shelf, then tell: whoever wrote in between is read after that."""
        self._writes += 1
        value = kept if isinstance(kept, bytes) else encode(kept)
        await reply_to(self._client.hset(PREFIX + kind, name, value))
        self._shelf(kind)[name] = kept
        await self._changes.note(kind, [name])
        self._writes += 1
        self.changed()

    async def _read_kind(self, kind: str) -> bool:
        """Take over all records of a kind, a bite at a time: nothing else waits for long."""
        missing = dict(self._shelf(kind))
        cursor = 0
        while True:
            page = await self._undisturbed(
                partial(self._client.hscan, PREFIX + kind, cursor, count=AT_ONCE)
            )
            if page is None:
                return False
            cursor, rows = page
            self._take(kind, rows)
            for name in rows:
                missing.pop(name.decode(), None)
            if not cursor:
                break
        shelf = self._shelf(kind)
        for name, record in missing.items():
            if shelf.get(name) is record:  # else it was written meanwhile
                del shelf[name]
        return True

    async def _read(self, kind: str, names: Iterable[str]) -> bool:
        """Take over some records of a kind; what is there no more is dropped."""
        wanted = [name.encode() for name in sorted(names)]  # in one order, in every process
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            values = await self._undisturbed(partial(self._client.hmget, PREFIX + kind, some))
            if values is None:
                return False
            self._take(kind, dict(zip(some, values, strict=True)))
        return True

    async def _undisturbed(self, read: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
        """Return a reply, None while we go on writing: what was read meanwhile may be old."""
        for _ in range(READS_MAX):
            writes = self._writes
            reply = await reply_to(read())
            if self._writes == writes:
                return reply
        return None

    def _shelf(self, kind: str) -> dict[str, Any]:
        return self._sealed if kind == TOKENS_KIND else getattr(self.directory, kind)

    def _take(self, kind: str, rows: Mapping[bytes, bytes | None]) -> None:
        """Put records on their shelf; one that did not change stays the same object."""
        shelf = self._shelf(kind)
        for name, content in rows.items():
            if content is None:
                shelf.pop(name.decode(), None)
                continue
            record = content if kind == TOKENS_KIND else decode(content, type=KINDS[kind])
            if shelf.get(name.decode()) != record:  # what is cached by an object holds
                shelf[name.decode()] = record


def _nobody() -> None:
    """Tell nobody."""
