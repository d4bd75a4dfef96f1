"""Who wants no marketing messages, with the time of the choice: an older word lifts nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Final, cast

from redis import RedisError

from adapters.redis.connect import Client
from engine.errors import LedgerAwayError
from engine.model import PortfolioId, RecipientKey

PREFERENCES: Final = (
    "ps:registry:preferences:"  # and a portfolio; zset: recipient key -> time and word
)
AT_ONCE: Final = 1_000

Choice = tuple[int, bool]  # when, and whether it is a stop


class RedisPreferences:
    """See adapters.meta.preferring.Preferences.

    A score is twice the time, plus one for a stop: of one moment the stop holds.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tell(
        self, portfolio: PortfolioId, recipient: RecipientKey, at_ms: int, *, stops: bool
    ) -> Choice:
        """See Preferences.tell."""
        name = PREFERENCES + portfolio
        await _asked(self._client.zadd(name, {bytes(recipient): at_ms * 2 + stops}, gt=True))
        return _choice(await _asked(self._client.zscore(name, recipient)))

    async def known(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
    ) -> dict[RecipientKey, Choice]:
        """See Preferences.known."""
        found: dict[RecipientKey, Choice] = {}
        for at in range(0, len(recipients), AT_ONCE):
            some = recipients[at : at + AT_ONCE]
            scores = await _asked(
                self._client.zmscore(PREFERENCES + portfolio, cast("list[str]", list(some)))
            )
            found |= {
                key: _choice(score)
                for key, score in zip(some, scores, strict=True)
                if score is not None
            }
        return found


def _choice(score: float) -> Choice:
    return int(score) // 2, bool(int(score) % 2)


async def _asked(call: object) -> Any:  # noqa: ANN401 (redis-py's replies)
    try:
        return await cast("Awaitable[Any]", call)
    except (TimeoutError, RedisError, OSError) as error:
        raise LedgerAwayError(f"Redis does not answer: {type(error).__name__}") from error
