"""A moment as people read it."""

from datetime import UTC, datetime


def moment_text(at_ms: int) -> str:
    """Return a moment in UTC, to the second.

    >>> moment_text(1_763_000_000_123)
    '2025-11-13T02:13:20Z'
    """
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
