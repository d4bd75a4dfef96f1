"""Why one job has not been sent yet: which gate, whose, how much of it, until when."""

from __future__ import annotations

from adapters.api.bodies import rfc3339
from adapters.api.closed_gates import OF_SENDERS, PARKED, ClosedGate, gate_of, until_of
from adapters.api.front import Front
from adapters.api.meanings import meaning_for
from adapters.api.told import causes_of, untold_of
from engine.books import Holders, JobView
from engine.directory import Campaign, Journey, Portfolio
from engine.model import Category, Gate, JobState, SourceState, TemplateStatus


class JobGates:
    """Names the gates of single jobs."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def of(self, view: JobView, portfolio: Portfolio) -> list[ClosedGate]:
        """Return the gate it waits behind, until when where that is known; `rate` in a queue."""
        holders = view.holders
        if holders is None or view.state not in {JobState.QUEUED, JobState.WAITING}:
            return []
        if view.gate is None:
            return await self._turn(portfolio, holders)
        by_number = portfolio.quota_scope == "phone_number"
        sender = holders.sender if by_number else None
        quota = await self._front.ledger.quota(portfolio.id, sender)
        gate = gate_of(view.gate, 1, quota, sender or portfolio.id)
        gate.until = until_of(view) or gate.until
        if view.zone is not None:
            gate.holder, gate.detail = view.zone, meaning_for(view)
        elif view.gate is not Gate.QUOTA:
            gate.holder = self._holder(view.gate, holders)
            gate.detail = self.standing(view) or gate.detail
            if view.gate is Gate.SOURCE:
                gate.until = self._starts_at(holders.source)
        return [gate]

    async def _turn(self, portfolio: Portfolio, holders: Holders) -> list[ClosedGate]:
        """Return the gate of a job whose sender has others to send too, and how fast it may."""
        depths = await self._front.ledger.depths(portfolio.id)
        depth = next((each for each in depths if each.sender == holders.sender), None)
        queued = depth.jobs if depth is not None else {}
        jobs = sum(n for (_, word), n in queued.items() if word is JobState.QUEUED)
        if depth is None or jobs <= 1 or not depth.rate_mps:
            return []
        detail = (
            f"it waits for its turn: {jobs} jobs of {holders.sender} are queued, and at most "
            f"{depth.rate_mps} leave in a second: the last in about {-(-jobs // depth.rate_mps)} s"
        )
        return [ClosedGate(Gate.RATE, 1, jobs, depth.rate_mps, holders.sender, None, detail)]

    def _holder(self, gate: Gate, holders: Holders) -> str:
        """Return whose gate it is that holds a job."""
        if gate is Gate.ACCOUNT:
            sender = self._front.registry.directory.senders.get(holders.sender)
            return sender.waba_id if sender else ""
        names = {Gate.TEMPLATE: holders.template, Gate.SOURCE: holders.source}
        return names.get(gate, holders.sender)

    def standing(self, view: JobView) -> str:
        """Return how what holds a job stands, for people; empty where its gate says all."""
        directory, holders, gate = self._front.registry.directory, view.holders, view.gate
        if holders is None or gate is None:
            return ""
        if gate in OF_SENDERS:
            told = self._causes(gate, holders)
            is_untold = not told and gate is Gate.SENDER
            return untold_of(self._front, holders.sender, view.until_ms) if is_untold else told
        if gate is Gate.TEMPLATE and (template := directory.templates.get(holders.template)):
            is_open = template.status is TemplateStatus.APPROVED
            return PARKED if is_open else f"it is {template.status}"
        source = self._source(holders.source) if gate is Gate.SOURCE else None
        return f"it is {source.state}" if source else ""

    def _causes(self, gate: Gate, holders: Holders) -> str:
        """Return what was told that closes a job's number, or its account, for such a message."""
        directory = self._front.registry.directory
        sender, category = directory.senders.get(holders.sender), Category.SERVICE
        if holders.template:
            template = directory.templates.get(holders.template)
            category = template.category if template else Category.MARKETING
        if sender is None:
            return ""
        return causes_of(self._front, [sender], gate, [category])

    def _source(self, name: str) -> Campaign | Journey | None:
        """Return the campaign or journey that the ledger calls so."""
        directory, (kind, _, its) = self._front.registry.directory, name.partition(":")
        return directory.campaigns.get(its) if kind == "campaign" else directory.journeys.get(its)

    def _starts_at(self, name: str) -> str | None:
        source = self._source(name)
        if not isinstance(source, Campaign) or source.state is not SourceState.SCHEDULED:
            return None
        return rfc3339(source.start_at_ms)
