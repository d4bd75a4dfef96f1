"""How long to wait after a failure: the curve, its jitter, and tenacity set up with them.

Tenacity's own jitter draws from a generator of its own and its own clock is the wall's; ours
draws from the given generator and follows the event loop, so that weeks can be replayed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

FIRST_MS = 2_000
MOST_MS = 300_000

QUICK_MAX = 2  # quick retries of one claimed job
QUICK_FIRST_MS = 50
QUICK_FOR_MS = 1_000  # a quick retry starts within this time or not at all


def delay_ms(failures: int, first_ms: int = FIRST_MS, most_ms: int = MOST_MS) -> int:
    """Return the wait after `failures` failures in a row, without jitter.

    >>> [delay_ms(failures) for failures in (1, 2, 3, 8, 9, 1_000)]
    [2000, 4000, 8000, 256000, 300000, 300000]
    """
    return min(most_ms, first_ms << min(max(failures, 1) - 1, 32))


def backoff_ms(failures: int, rng: Random, first_ms: int = FIRST_MS, most_ms: int = MOST_MS) -> int:
    """Return the wait after `failures` failures: between half the curve and all of it.

    >>> all(1_000 <= backoff_ms(1, Random(seed)) <= 2_000 for seed in range(100))
    True
    """
    whole_ms = delay_ms(failures, first_ms, most_ms)
    return whole_ms - rng.randrange(whole_ms // 2 + 1)


def quick_retries(may_repeat: Callable[[Any], bool], rng: Random) -> AsyncRetrying:
    """Return a retrying that calls again while `may_repeat(result)` says yes.

    The first call is the failure that is already there. At most QUICK_MAX more follow, each after
    a wait of its own, the last one started QUICK_FOR_MS after now; then the last result stands.
    """
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + QUICK_FOR_MS / 1_000

    def wait_s(state: RetryCallState) -> float:
        return backoff_ms(state.attempt_number, rng, QUICK_FIRST_MS) / 1_000

    def is_over(state: RetryCallState) -> bool:
        return state.attempt_number > QUICK_MAX or loop.time() + state.upcoming_sleep > ends_s

    return AsyncRetrying(
        retry=retry_if_result(may_repeat),
        stop=is_over,
        wait=wait_s,
        sleep=asyncio.sleep,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
