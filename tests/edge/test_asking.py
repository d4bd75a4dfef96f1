"""A command that Redis does not answer is the ledger away, told by its kind alone."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from adapters.redis.asking import reply_to
from engine.errors import LedgerAwayError


async def failing(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError("+4915112345678"),
        ResponseError("+4915112345678"),
        OSError("x"),
        TimeoutError(),
    ],
)
async def test_what_was_asked_is_not_repeated(error: Exception) -> None:
    with pytest.raises(LedgerAwayError) as caught:
        await reply_to(failing(error))
    assert str(caught.value) == f"Redis does not answer: {type(error).__name__}"
    assert caught.value.__cause__ is error


async def test_an_error_of_ours_is_no_silence_of_redis() -> None:
    with pytest.raises(KeyError):
        await reply_to(failing(KeyError("ours")))
