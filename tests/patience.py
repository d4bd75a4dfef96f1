"""Clients of Redis in this process wait for a machine that has nothing to give for seconds.

Production takes two seconds without a reply for an outage, and heals by itself. A test would tell
the same of a stall of the machine: a failure of whatever it was about.
"""

from typing import Any, Final

from adapters.redis import connect as connecting

PATIENCE_MS: Final = 30_000


def be_patient_with_redis() -> None:
    """Have `connect` wait longer where nobody says how long."""
    defaults: Any = connecting.connect.__kwdefaults__
    assert "reply_timeout_ms" in defaults
    defaults["reply_timeout_ms"] = PATIENCE_MS
    connecting.CONNECT_TIMEOUT_MS = PATIENCE_MS  # type: ignore[misc]  # a constant elsewhere
    connecting.FREE_CONNECTION_TIMEOUT_MS = PATIENCE_MS  # type: ignore[misc]  # the same
