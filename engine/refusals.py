"""Why a ledger queued nothing, said to the caller with what to do about it."""

from __future__ import annotations

from engine.errors import InvalidJobError, QueueFullError
from engine.model import PortfolioId

FULL_RETRY_AFTER_MS = 5_000


def refusal(refused: str, cancelled: str) -> InvalidJobError:
    """Return why a ledger queued nothing of a batch; `cancelled` says it of a source."""
    if refused == "full":
        detail = f"the queue is full; try again in {FULL_RETRY_AFTER_MS // 1000} s"
        return InvalidJobError(detail, pointer="", code="queue_full")
    if refused == "ended":
        detail = "was deleted or disabled meanwhile; use another template"
        pointer = "/message/template/name"
        return InvalidJobError(detail, pointer=pointer, code="template_not_sendable")
    if refused == "stale":
        detail = "its source changed meanwhile; send it again"
        return InvalidJobError(detail, pointer="", code="conflict")
    return InvalidJobError(cancelled, pointer="", code="source_cancelled")


def queue_full(portfolio: PortfolioId) -> QueueFullError:
    """Return that too many jobs wait in a portfolio."""
    return QueueFullError(
        f"too many jobs wait in portfolio {portfolio}", retry_after_ms=FULL_RETRY_AFTER_MS
    )
