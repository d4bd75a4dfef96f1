"""Answers that were given under an Idempotency-Key; sealed, for they may name a person."""

from __future__ import annotations

from base64 import b85decode, b85encode
from typing import Final

from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from adapters.redis.seal import Seal, SealError

PREFIX: Final = "ps:registry:answers:"  # + the name of a call
KEPT_MS: Final = 86_400_000


class RedisAnswers:
    """See adapters.api.answered.Answers."""

    def __init__(self, client: Client, seal: Seal) -> None:
        self._client = client
        self._seal = seal

    async def begin(self, name: str, asked: bytes, most_ms: int) -> bytes | None:
        """See Answers.begin."""
        sealed = self._sealed(name, asked)
        taken = self._client.set(PREFIX + name, sealed, nx=True, px=most_ms, get=True)
        known: bytes | None = await reply_to(taken)
        if known is None:
            return None
        try:
            return b85decode(self._seal.open(name, known))
        except SealError:  # PENSTOCK_SECRET_KEY was changed since
            return b""

    async def keep(self, name: str, answer: bytes) -> None:
        """See Answers.keep."""
        await reply_to(self._client.set(PREFIX + name, self._sealed(name, answer), px=KEPT_MS))

    async def forget(self, name: str) -> None:
        """See Answers.forget."""
        await reply_to(self._client.delete(PREFIX + name))

    def _sealed(self, name: str, answer: bytes) -> bytes:
        return self._seal.close(name, b85encode(answer).decode())
