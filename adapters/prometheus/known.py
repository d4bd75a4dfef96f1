"""The gauges of what is known by name: numbers, their gates, templates; no ledger is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Final

from adapters.breath import breathe
from adapters.prometheus.pieces import Table
from adapters.prometheus.tallies import (
    OTHER,
    SEVERAL,
    Gauge,
    Labels,
    PortfolioLabels,
    Values,
    add_to,
)
from engine.directory import Directory, Sender
from engine.facts import of_sender
from engine.model import TemplateStatus
from engine.ports import FOREVER_MS
from engine.senders import (
    QUALITY,
    STATUS,
    QualityGuard,
    account_closures,
    sender_closures,
    value_of,
)

TEMPLATES_MAX: Final = 2_000  # templates with a gauge of their own

QUALITIES: Final = {"GREEN": 3, "YELLOW": 2, "RED": 1}
STATUSES: Final = frozenset(  # of which each has a label of its own
    {
        *("CONNECTED", "PENDING", "DELETED", "MIGRATED", "BANNED", "RESTRICTED", "RATE_LIMITED"),
        *("FLAGGED", "DISCONNECTED", "UNKNOWN", "UNVERIFIED", "OFFLINE", "LINKED", "UNLINKED"),
    }
)


class Known:
    """What the directory tells of senders and templates."""

    def __init__(
        self,
        directory: Directory,
        labels: Labels,
        portfolios: PortfolioLabels,
        guard: QualityGuard,
    ) -> None:
        self._directory = directory
        self._labels = labels
        self._portfolios = portfolios
        self._guard = guard

    async def tables(self, now_ms: int) -> list[Table]:
        """Return the gauges as all is known now."""
        return [*await self._of_senders(now_ms), await self._of_templates()]

    async def _of_senders(self, now_ms: int) -> list[Table]:
        granted: Gauge = {}
        homes: dict[str, str] = {}  # label -> portfolio, to join senders with portfolios
        qualities: Gauge = {}
        statuses: Gauge = {}
        opens: Gauge = {}
        facts = self._directory.facts
        for place, sender in enumerate(list(self._directory.senders.values())):
            label = self._labels(sender.id)
            add_to(granted, (label,), sender.throughput)
            home = self._portfolios(sender.portfolio_id)
            if label != OTHER and homes.setdefault(label, home) != home:
                homes[label] = SEVERAL
            quality = QUALITIES.get(value_of(facts, of_sender(sender.id, QUALITY)), 0)
            qualities[(label,)] = _worse(qualities.get((label,), 0), quality)
            status = value_of(facts, of_sender(sender.id, STATUS)) or "UNKNOWN"
            add_to(statuses, (label, status if status in STATUSES else OTHER), 1)
            for gate, opens_s in self._closed(sender, now_ms):
                opens[(label, gate)] = max(opens.get((label, gate), 0), opens_s)
            await breathe(place)
        return [
            Table("penstock_throughput", "Messages a second Meta grants.", ("sender",), granted),
            _portfolios_of(homes),
            Table(
                "penstock_sender_quality",
                "3 green, 2 yellow, 1 red, 0 unknown; of several under one label the worst.",
                ("sender",),
                qualities,
            ),
            Table(
                "penstock_sender_status",
                "Numbers by the connection status that Meta told last.",
                ("sender", "status"),
                statuses,
            ),
            Table(
                "penstock_gate_opens_seconds",
                "Until a closed number or account lets all messages go; +Inf: somebody has to act.",
                ("sender", "gate"),
                opens,
            ),
        ]

    def _closed(self, sender: Sender, now_ms: int) -> Iterable[tuple[str, float]]:
        """Yield each gate of a sender that is closed for some messages, and for how long."""
        facts = self._directory.facts
        for each in (
            *sender_closures(facts, sender.id, self._guard),
            *account_closures(facts, sender.waba_id),
        ):
            if each.fact.until_ms >= FOREVER_MS:
                yield each.gate.value, inf
            elif each.fact.until_ms > now_ms:
                yield each.gate.value, (each.fact.until_ms - now_ms) / 1_000

    async def _of_templates(self) -> Table:
        sendable: Gauge = {}
        for place, (_, each) in enumerate(sorted(self._directory.templates.items())):
            labels: Values = (each.waba_id, each.name, each.language)
            if place >= TEMPLATES_MAX:
                labels = (OTHER, OTHER, OTHER)
            is_sendable = each.status is TemplateStatus.APPROVED
            sendable[labels] = min(sendable.get(labels, 1), is_sendable)
            await breathe(place)
        text = "1 while Meta calls the template APPROVED; of `other`, all of them."
        three = ("waba", "template", "language")
        return Table("penstock_template_sendable", text, three, sendable)


def _portfolios_of(homes: Mapping[str, str]) -> Table:
    text = "1: the portfolio of a sender, to join the two."
    values: Gauge = dict.fromkeys(homes.items(), 1)
    return Table("penstock_sender_portfolio", text, ("sender", "portfolio"), values)


def _worse(one: float, other: float) -> float:
    """Return the worse of two qualities; one that is known, where there is one.

    >>> _worse(3, 1), _worse(0, 2), _worse(0, 0)
    (1, 2, 0)
    """
    return min(one, other) or max(one, other)
