"""When the last of many jobs leaves, by the rate and by places that fall free."""

from __future__ import annotations

from engine.books import Quota


def last_leaves_ms(
    left: int, per_s: float, quota: Quota, *, now_ms: int, span_ms: int
) -> int | None:
    """Return when the last job leaves if the rate holds and places free as they were taken.

    None when none is left, or none may leave.
    """
    if not left or not per_s:
        return None
    by_rate_ms = int(left * 1000 / per_s)
    if quota.limit < 0:
        return now_ms + by_rate_ms
    if quota.limit == 0:
        return None
    waiting = max(0, left - quota.available)
    full_turns, rest = divmod(waiting, quota.limit)
    first_ms = max(0, (quota.next_free_at_ms or now_ms) - now_ms)
    by_places_ms = full_turns * span_ms + (first_ms if rest else 0)
    return now_ms + max(by_rate_ms, by_places_ms)
