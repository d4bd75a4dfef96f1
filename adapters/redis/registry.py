"""The records that last: portfolios, senders, templates, sources, keys; tokens only sealed."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from redis import RedisError, WatchError

from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.directory import (
    AccountRules,
    ApiKey,
    Campaign,
    Directory,
    Journey,
    Portfolio,
    Record,
    Sender,
    Template,
    record_name,
)
from engine.errors import EngineError, LedgerAwayError
from engine.facts import Fact, packed, unpacked
from engine.model import PortfolioId, SenderId

PREFIX: Final = "ps:registry:"
VERSIONS: Final = PREFIX + "versions"  # hash: kind -> how often it changed
NUMBERS: Final = PREFIX + "numbers"  # hash: portfolio -> its number; `:last` counts them
TOKENS: Final = PREFIX + "tokens"  # hash: phone number id -> sealed access token
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
KIND_OF: Final = {record: kind for kind, record in KINDS.items()}
RELOADS_MAX: Final = 10  # in a row, while this process goes on writing; then with the next refresh
PUT_AT_ONCE: Final = 200  # records of one write: a megabyte of templates
NONCE_BYTES: Final = 12
SECRET_BYTES: Final = 32
SEAL_VERSION: Final = b"\x01"


class SealError(EngineError):
    """A token was sealed with another PENSTOCK_SECRET_KEY; give that one, or add it again."""


class Seal:
    """AES-256-GCM over one text; its owner's name is authenticated, so they cannot be swapped.

    The first secret seals; the others, while secrets are being changed, only open.
    """

    def __init__(self, secret: str, *others: str) -> None:
        self._ciphers = [
            AESGCM(hashlib.sha256(b"penstock seal\0" + each.encode()).digest())
            for each in (secret, *others)
        ]

    def close(self, owner: str, text: str) -> bytes:
        """Return the text sealed."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        content = self._ciphers[0].encrypt(nonce, text.encode(), owner.encode())
        return SEAL_VERSION + nonce + content

    def open(self, owner: str, sealed: bytes) -> str:
        """Return the text; SealError when another secret or another owner's name sealed it."""
        return self._opened(owner, sealed)[1]

    def is_of_another(self, owner: str, sealed: bytes) -> bool:
        """Return whether a secret sealed it that only opens now; SealError as in `open`."""
        return self._opened(owner, sealed)[0] > 0

    def _opened(self, owner: str, sealed: bytes) -> tuple[int, str]:
        nonce, content = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        for place, cipher in enumerate(self._ciphers):
            with contextlib.suppress(InvalidTag, ValueError):
                return place, cipher.decrypt(nonce, content, owner.encode()).decode()
        raise SealError(
            f"the access token of sender {owner} was sealed with another "
            "PENSTOCK_SECRET_KEY: set that one, or add the sender again"
        )


class RedisRegistry:
    """See engine.directory.Registry; a change is seen by all processes at their next refresh."""

    def __init__(self, client: Client, seal: Seal) -> None:
        self.directory = Directory()
        self.changed: Callable[[], None] = _nobody
        """Told after each change made here, so that other processes hear of it at once."""
        self._client = client
        self._seal = seal
        self._versions: dict[bytes, bytes] = {}
        self._writes = 0  # begun and ended ones
        self._rows: dict[str, dict[bytes, bytes]] = {}  # of each kind, as they were last read
        self._sealed: dict[str, bytes] = {}
        self._tokens: dict[str, tuple[bytes, str]] = {}

    async def put(self, record: Record) -> Record:
        """See Registry.put."""
        if isinstance(record, Portfolio) and not record.number:
            record = replace(record, number=await self._number(record.id))
        kind, name = KIND_OF[type(record)], record_name(record)
        await self._write(kind, name, encode(record))
        self.directory.shelf_of(record)[name] = record
        return record

    async def put_all(self, records: Sequence[Record]) -> None:
        """See Registry.put_all; whoever hears of it reads them once."""
        if not records:
            return
        kind = KIND_OF[type(records[0])]
        self._writes += 1
        for start in range(0, len(records), PUT_AT_ONCE):
            chunk = records[start : start + PUT_AT_ONCE]
            items = [part for each in chunk for part in (record_name(each), encode(each))]
            await reply_to(self._client.hset(PREFIX + kind, items=items))
        await reply_to(self._client.hincrby(VERSIONS, kind, 1))
        for each in records:
            self.directory.shelf_of(each)[record_name(each)] = each
            self._forget_row(kind, record_name(each))
        self._writes += 1
        self.changed()

    async def drop(self, record: Record) -> None:
        """See Registry.drop."""
        kind, name = KIND_OF[type(record)], record_name(record)
        await self._write(kind, name, None)
        self.directory.shelf_of(record).pop(name, None)

    async def refresh(self) -> None:
        """See Registry.refresh."""
        versions: dict[bytes, bytes] = await reply_to(self._client.hgetall(VERSIONS))
        for kind in (*KINDS, "tokens"):
            version = versions.get(kind.encode(), b"0")
            if self._versions.get(kind.encode()) == version:
                continue
            for _ in range(RELOADS_MAX):
                if await self._reload(kind):
                    self._versions[kind.encode()] = version
                    break

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
        await self._write("tokens", sender, sealed)
        self._sealed[sender] = sealed

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
            if is_old:
                await self._exchange(sender, sealed)
        return unopened

    async def _exchange(self, sender: str, sealed: bytes) -> None:
        """Put the same token under another seal, unless somebody puts another token meanwhile."""
        fresh = self._seal.close(sender, self._seal.open(sender, sealed))
        pipe = cast("Any", self._client.pipeline(transaction=True))
        async with pipe:
            try:
                await reply_to(pipe.watch(TOKENS))
                if await reply_to(pipe.hget(TOKENS, sender)) != sealed:
                    return
                pipe.multi()
                pipe.hset(TOKENS, sender, fresh)
                await pipe.execute()
            except WatchError:
                return  # whoever was quicker used the first secret too
            except (TimeoutError, RedisError, OSError) as error:
                kind = type(error).__name__
                raise LedgerAwayError(f"Redis does not answer: {kind}") from error
        self._sealed[sender] = fresh
        await reply_to(self._client.hincrby(VERSIONS, "tokens", 1))

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

    async def _write(self, kind: str, name: str, value: bytes | None) -> None:
        """Write first, then tell: who reads between the two only reads once more."""
        self._writes += 1
        if value is None:
            await reply_to(self._client.hdel(PREFIX + kind, name))
        else:
            await reply_to(self._client.hset(PREFIX + kind, name, value))
        await reply_to(self._client.hincrby(VERSIONS, kind, 1))
        self._forget_row(kind, name)
        self._writes += 1
        self.changed()

    def _forget_row(self, kind: str, name: str) -> None:
        """Have a record read anew that is another here than in the row as it was read."""
        self._rows.get(kind, {}).pop(name.encode(), None)

    async def _reload(self, kind: str) -> bool:
        """Take over all records of a kind; not when we wrote meanwhile: what was read is old.

        Of thousands mostly one has changed: to decode them all would hold up every send.
        """
        writes = self._writes
        rows: dict[bytes, bytes] = await reply_to(self._client.hgetall(PREFIX + kind))
        if self._writes != writes:
            return False
        if kind == "tokens":
            self._sealed = {name.decode(): sealed for name, sealed in rows.items()}
            return True
        shelf = cast("dict[str, Record]", getattr(self.directory, kind))
        before, self._rows[kind] = self._rows.get(kind, {}), rows
        for raw, value in rows.items():
            name = raw.decode()
            if name not in shelf or before.get(raw) != value:
                record = msgspec.json.decode(value, type=KINDS[kind])
                if shelf.get(name) != record:  # the same object stays: what is cached by it holds
                    shelf[name] = record
        if len(shelf) > len(rows):
            for name in shelf.keys() - {raw.decode() for raw in rows}:
                del shelf[name]
        return True


def _nobody() -> None:
    """Tell nobody."""
