"""Every key name that is not made inside a script."""

from __future__ import annotations

from engine.model import PortfolioId

DUE = "ps:{due}:at"  # ZSET portfolio -> when a claim may find something; a hint
DUE_SEQUENCE = "ps:{due}:sequence"  # HASH portfolio -> sequence of the slot that gave the hint
WAKE_CHANNEL = "ps:wake"  # pub/sub: portfolios that became due
INBOX = "ps:{inbox}:webhooks"  # STREAM of raw webhook bodies


def tag(portfolio: PortfolioId) -> str:
    """Begin of all keys of a portfolio; the braces keep them in one hash slot."""
    return f"ps:{{{portfolio}}}:"


def lane(portfolio: PortfolioId, number: int) -> str:
    """HASH of a lane: source, sender, template, priority and its standing."""
    return f"{tag(portfolio)}lane:{number}"


def contents(portfolio: PortfolioId, source: str) -> str:
    """LIST of a source's content versions, the first is version 1."""
    return f"{tag(portfolio)}contents:{source}"


def log(portfolio: PortfolioId) -> str:
    """STREAM of what happened: one record per chunk enqueued or batch settled."""
    return f"{tag(portfolio)}log"
