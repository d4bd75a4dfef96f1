"""`/v1/why/{name}`: every gate that holds something back, its number, its limit, until when."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Final

import msgspec
from aiohttp import web

from adapters.api.bodies import rfc3339
from adapters.api.closed_gates import OF_SENDERS, PARKED, ClosedGate, gate_of, until_of
from adapters.api.front import Front, as_json
from adapters.api.job_ids import PREFIX
from adapters.api.meanings import MEANINGS
from adapters.api.openapi.described import described
from adapters.api.told import CAUSES_MAX, causes_of, opens_at_ms, untold_of
from adapters.api.why_job import JobGates
from engine.books import Counts, Depth, JobView
from engine.borders import closed_countries
from engine.campaigns import remaining
from engine.directory import Campaign, Journey, Portfolio, Role, Sender, Template
from engine.errors import UnknownNameError
from engine.facts import of_sender
from engine.model import (
    Category,
    Gate,
    JobState,
    PortfolioId,
    Priority,
    SenderId,
    SourceState,
    TemplateStatus,
)
from engine.ports import FOREVER_MS
from engine.quiet_keeper import Held
from engine.senders import QUALITY, account_closures, value_of
from engine.silence import silent_since_ms

BORDER: Final = (
    "Meta refused messages of account {waba} to {country} (130497): those to it end suppressed "
    "until {until}, or until POST /v1/wabas/{waba}/open"
)
# Behind these each job waits alone, and has a time of its own.
ALONE: Final = (Gate.SCHEDULE, Gate.PAIR, Gate.RATE, Gate.RETRY)
SILENCE: Final = (
    "webhooks tell nothing of {sender} since {since}: until they do, what it sent in doubt is not "
    "repeated, login codes apart, and ends unknown after an hour"
)


class Why(msgspec.Struct):
    """Why something has not been sent yet."""

    kind: str
    id: str
    state: str
    gates: list[ClosedGate]
    notes: list[str] = []  # what is no gate: doubts, and what they wait for


class WhyRoutes:
    """The route that explains; a name is looked for among jobs, sources, senders and the rest."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add it."""
        router.add_get("/v1/why/{name:.+}", self._front.may(Role.READ, self._get))

    @described("Every gate that holds something back", gives=Why)
    async def _get(self, request: web.Request) -> web.Response:
        name, directory = request.match_info["name"], self._front.registry.directory
        if name.startswith(PREFIX):
            return as_json(await self._of_job(name))
        for source in (directory.campaigns.get(name), directory.journeys.get(name)):
            if source is not None:
                return as_json(await self._of_source(source))
        if (sender := directory.senders.get(name)) is not None:
            return as_json(await self._of_sender(sender))
        if (template := directory.templates.get(name)) is not None:
            return as_json(await self._of_template(template))
        if (portfolio := directory.portfolios.get(name)) is not None:
            return as_json(await self._of_portfolio(portfolio))
        raise UnknownNameError(
            f"there is no job, campaign, journey, sender, portfolio or template (as "
            f"WABA/name/language) called {name}"
        )

    async def _of_job(self, name: str) -> Why:
        place = self._front.job_ids.decode(name)
        portfolio = self._front.registry.directory.portfolio_of_number(place[0]) if place else None
        view = None
        if place is not None and portfolio is not None:
            view = await self._front.ledger.job(portfolio.id, place[1])
        if view is None or portfolio is None:
            raise UnknownNameError("there is no such job")
        gates = await JobGates(self._front).of(view, portfolio)
        return Why("job", name, view.state.value, gates, self._doubt(view))

    def _doubt(self, view: JobView) -> list[str]:
        """Return when a job in doubt is decided, and what that waits for."""
        if view.sender is None:
            return []
        when = f"without evidence it is looked at again at {until_of(view)}"
        return [f"it may have been sent; {when}", *self._silence(view.sender)]

    def _silence(self, sender: SenderId) -> list[str]:
        """Return that the webhooks of a number are silent, if they are."""
        since_ms = silent_since_ms(self._front.keeper.facts, sender)
        return [SILENCE.format(sender=sender, since=rfc3339(since_ms))] if since_ms else []

    async def _of_source(self, source: Campaign | Journey) -> Why:
        counts = await self._front.ledger.counts(source.portfolio_id, source.source)
        quota = await self._front.ledger.quota(source.portfolio_id)
        held = await self._front.quiet.held(source)
        waiting = Counter(counts.waiting) - Counter({Gate.SCHEDULE: held.jobs})
        is_campaign = isinstance(source, Campaign)
        gates = [
            gate_of(gate, jobs, quota, source.portfolio_id)
            for gate, jobs in sorted(waiting.items())
            if not (is_campaign and gate in OF_SENDERS)
        ]
        await self._name_moments(gates, source.portfolio_id, source=source.source)
        await self._name_templates(gates, source.portfolio_id, source.source)
        gates += _quiet_gates(source, held)
        if any(gate.gate in OF_SENDERS for gate in gates):
            self._name_causes(gates, await self._front.ledger.depths(source.portfolio_id))
        for gate in gates:
            if gate.gate == Gate.SOURCE:
                gate.holder, gate.detail = source.source, f"it is {source.state}"
                if isinstance(source, Campaign) and source.state is SourceState.SCHEDULED:
                    gate.until = rfc3339(source.start_at_ms)
            if gate.gate == Gate.TEMPLATE and isinstance(source, Campaign):
                gate.holder, gate.detail = self._templates(source)
        if isinstance(source, Campaign) and _may_be_held(counts):
            depths = await self._front.ledger.depths(source.portfolio_id)
            its = self._of_senders(source.senders, depths, self._categories(source))
            for gate in its:  # they hold other campaigns too: of this one at most so many
                own = counts.waiting.get(Gate(gate.gate), 0)
                gate.jobs = min(gate.jobs, own if gate.gate in OF_SENDERS else remaining(counts))
            gates += its
        kind, state = "campaign" if is_campaign else "journey", source.state.value
        if isinstance(source, Campaign):
            state = self._front.campaigns.state_of(source, counts)
        senders = source.senders if isinstance(source, Campaign) else ()
        notes = [note for sender in senders for note in self._silence(sender)]
        notes += self._borders(senders)
        return Why(kind, source.id, state, gates, notes)

    async def _name_moments(
        self, gates: Iterable[ClosedGate], portfolio: PortfolioId, **whose: str
    ) -> None:
        """Say of gates behind which jobs wait alone when the next of them may leave."""
        nameless = [gate for gate in gates if gate.until is None and gate.gate in ALONE]
        if nameless:
            next_ms = await self._front.comebacks.next_ms(portfolio, **whose)
            for gate in nameless:
                gate.until = rfc3339(next_ms.get(Gate(gate.gate)))

    def _borders(self, senders: Iterable[SenderId]) -> list[str]:
        """Return which countries the accounts of these numbers may not write to."""
        known, facts = self._front.registry.directory.senders, self._front.keeper.facts
        wabas = {known[name].waba_id: None for name in senders if name in known}
        return [
            BORDER.format(waba=waba, country=country, until=rfc3339(until_ms))
            for waba in wabas
            for country, until_ms in closed_countries(facts, waba, self._front.now_ms()).items()
        ]

    def _name_causes(self, gates: Iterable[ClosedGate], depths: Iterable[Depth]) -> None:
        """Say of gates of senders and accounts what closed them, and when the first opens."""
        known = self._front.registry.directory.senders
        for gate in gates:
            if gate.gate in OF_SENDERS:
                which = Gate(gate.gate)
                held = [depth for depth in depths if _waiting(depth)[which]]
                senders = [known[each.sender] for each in held if each.sender in known]
                gate.until = rfc3339(opens_at_ms(self._front, senders, which))
                told = causes_of(self._front, senders, which)
                untold = self._untold_of(held) if which is Gate.SENDER and not told else ""
                gate.detail = told or untold or gate.detail

    def _untold_of(self, held: Iterable[Depth]) -> str:
        """Return what closed numbers of which nothing was told."""
        said = [untold_of(self._front, each.sender, each.closed_until_ms) for each in held]
        return "; ".join(list(filter(None, said))[:CAUSES_MAX])

    async def _name_templates(
        self, gates: Iterable[ClosedGate], portfolio: PortfolioId, source: str = "", waba: str = ""
    ) -> None:
        """Say of gates of templates which of them hold jobs; of one source or account only."""
        for gate in gates:
            if gate.gate == Gate.TEMPLATE:
                held = [each async for each in self._holding(portfolio, source, waba)]
                gate.detail = "; ".join(held[:CAUSES_MAX]) or PARKED

    async def _holding(self, portfolio: PortfolioId, source: str, waba: str) -> AsyncIterator[str]:
        """Yield the templates that are not APPROVED and for which jobs wait, and how they stand."""
        senders = self._front.registry.directory.senders.values()
        its = {each.waba_id for each in senders if each.portfolio_id == portfolio}
        wabas = {waba} if waba else its
        for template in list(self._front.registry.directory.templates.values()):
            if template.waba_id in wabas and template.status is not TemplateStatus.APPROVED:
                users = await self._front.ledger.users(portfolio, template.key, FOREVER_MS)
                if source in users or (users and not source):
                    yield f"{template.key} is {template.status}"

    def _templates(self, campaign: Campaign) -> tuple[str, str]:
        """Return which templates hold a campaign, and how each stands."""
        known = self._front.registry.directory.templates
        held = [
            known[key]
            for key in dict.fromkeys(campaign.templates)
            if key in known and known[key].status is not TemplateStatus.APPROVED
        ]
        names = ", ".join(each.key for each in held) or ", ".join(dict.fromkeys(campaign.templates))
        states = ", ".join(f"it is {each.status}" for each in held)
        return names, states or PARKED

    def _categories(self, campaign: Campaign) -> set[Category]:
        """Return what a campaign's messages are to Meta."""
        known = self._front.registry.directory.templates
        return {known[key].category for key in campaign.templates if key in known}

    def _of_senders(
        self, names: Iterable[SenderId], depths: Iterable[Depth], categories: set[Category]
    ) -> list[ClosedGate]:
        """Return the gates of senders, which hold the jobs of all their sources."""
        gates: list[ClosedGate] = []
        wanted = set(names)
        for depth in depths:
            sender = self._front.registry.directory.senders.get(depth.sender)
            if depth.sender in wanted and sender is not None:
                waiting = _waiting(depth)
                closed = self._closed(sender, waiting, categories)
                told = {each.gate for each in closed}
                gates += closed
                gates += [
                    self._untold(gate, waiting[gate], depth)
                    for gate in OF_SENDERS
                    if waiting[gate] and gate not in told
                ]
                gates += self._learned(depth)
                gates += self._slowed(depth, sender) if Category.MARKETING in categories else []
        return gates

    def _closed(
        self,
        sender: Sender,
        waiting: Mapping[Gate, int],
        categories: Collection[Category] = tuple(Category),
    ) -> list[ClosedGate]:
        """Return what closes a sender or its account, or some categories there, jobs or none."""
        facts, now_ms = self._front.keeper.facts, self._front.now_ms()
        closures = [
            *self._front.keeper.closures_of(sender.id),
            *account_closures(facts, sender.waba_id),
        ]
        return [
            ClosedGate(
                each.gate.value,
                waiting.get(each.gate, 0),
                holder=sender.id if each.gate is Gate.SENDER else sender.waba_id,
                until=rfc3339(each.fact.until_ms) if each.fact.until_ms < FOREVER_MS else None,
                detail=f"{sender.id}: {each.sentence}",
            )
            for each in closures
            if each.fact.until_ms > now_ms and set(categories) & set(each.categories)
        ]

    def _untold(self, gate: Gate, jobs: int, depth: Depth) -> ClosedGate:
        """Return a closed gate of a number of which nothing was told."""
        until_ms = depth.closed_until_ms
        until = rfc3339(until_ms) if 0 < until_ms < FOREVER_MS else None
        detail = untold_of(self._front, depth.sender, until_ms) if gate is Gate.SENDER else ""
        return ClosedGate(
            gate, jobs, holder=depth.sender, until=until, detail=detail or MEANINGS[gate]
        )

    def _slowed(self, depth: Depth, sender: Sender) -> list[ClosedGate]:
        """Return the gate of marketing that has a share of a sender's send times only."""
        keeper = self._front.keeper
        share, rate = keeper.share_of(sender.id), depth.rate_mps
        if not 0 < share < 1:
            return []
        quality = value_of(keeper.facts, of_sender(sender.id, QUALITY))
        detail = (
            f"{sender.id}: quality {quality}: marketing may take {share:g} of its send times "
            "until Meta rates it better"
        )
        jobs = depth.jobs.get((Priority.MARKETING, JobState.QUEUED), 0)
        return [ClosedGate(Gate.RATE, jobs, int(rate * share), rate, sender.id, None, detail)]

    def _learned(self, depth: Depth) -> list[ClosedGate]:
        """Return the gate of a sender that Meta has taught to go slower."""
        sender = self._front.registry.directory.senders.get(depth.sender)
        if sender is None or not 0 < depth.rate_mps < sender.throughput:
            return []
        detail = (
            f"Meta said too fast: {depth.rate_mps} of {sender.throughput} messages a second until "
            "it recovers"
        )
        jobs, rate, granted = _waiting(depth)[Gate.RATE], depth.rate_mps, sender.throughput
        return [ClosedGate(Gate.RATE, jobs, rate, granted, sender.id, None, detail)]

    async def _of_sender(self, sender: Sender) -> Why:
        quota = await self._front.ledger.quota(sender.portfolio_id, sender.id)
        depths = await self._front.ledger.depths(sender.portfolio_id)
        depth = next((each for each in depths if each.sender == sender.id), None)
        waiting: Mapping[Gate, int] = _waiting(depth) if depth else {}
        learned = self._learned(depth) + self._slowed(depth, sender) if depth else []
        closed = self._closed(sender, waiting)
        told = {each.gate for each in closed}
        gates = [
            gate_of(gate, jobs, quota, sender.portfolio_id if gate is Gate.QUOTA else sender.id)
            for gate, jobs in sorted(waiting.items())
            if not (learned and gate is Gate.RATE) and gate not in {*told, *OF_SENDERS}
        ]
        gates += [
            self._untold(gate, waiting[gate], depth)
            for gate in OF_SENDERS
            if depth and gate in waiting and gate not in told
        ]
        await self._name_moments(gates, sender.portfolio_id, sender=sender.id)
        await self._name_templates(gates, sender.portfolio_id, waba=sender.waba_id)
        notes = [*self._silence(sender.id), *self._borders([sender.id])]
        return Why("sender", sender.id, "", gates + closed + learned, notes)

    async def _of_template(self, template: Template) -> Why:
        """Return what waits for a template, source by source."""
        is_open = template.status is TemplateStatus.APPROVED
        detail = PARKED if is_open else f"it is {template.status}"
        ledger, gates = self._front.ledger, list[ClosedGate]()
        portfolio = self._front.registry.directory.portfolio_of_waba(template.waba_id)
        if portfolio is not None:
            names = await ledger.users(portfolio, template.key, FOREVER_MS)
            for name in dict.fromkeys(names):
                counts = await ledger.counts(portfolio, name)
                if jobs := counts.waiting.get(Gate.TEMPLATE, 0):
                    gates.append(ClosedGate(Gate.TEMPLATE, jobs, holder=name, detail=detail))
        if not gates and not is_open:
            gates.append(ClosedGate(Gate.TEMPLATE, 0, holder=template.key, detail=detail))
        return Why("template", template.key, template.status.value, gates)

    async def _of_portfolio(self, portfolio: Portfolio) -> Why:
        quota = await self._front.ledger.quota(portfolio.id)
        depths = await self._front.ledger.depths(PortfolioId(portfolio.id))
        waiting, learned = Counter[Gate](), list[ClosedGate]()
        for depth in depths:
            own = self._learned(depth)
            sender = self._front.registry.directory.senders.get(depth.sender)
            own += self._slowed(depth, sender) if sender else []
            waiting += Counter(
                {gate: n for gate, n in _waiting(depth).items() if not (own and gate is Gate.RATE)}
            )
            learned += own
        gates = [gate_of(gate, jobs, quota, portfolio.id) for gate, jobs in sorted(waiting.items())]
        self._name_causes(gates, depths)
        await self._name_moments(gates, portfolio.id)
        await self._name_templates(gates, portfolio.id)
        if quota.debt and Gate.QUOTA not in waiting:
            gates.append(gate_of(Gate.QUOTA, 0, quota, portfolio.id))
        gates += learned
        return Why("portfolio", portfolio.id, "", gates)


def _may_be_held(counts: Counts) -> bool:
    """Return whether jobs wait that their senders hold, or hold up."""
    theirs = [counts.waiting.get(gate, 0) for gate in (Gate.QUOTA, *OF_SENDERS)]
    return counts.states.get(JobState.QUEUED, 0) + sum(theirs) > 0


def _waiting(depth: Depth) -> Counter[Gate]:
    """Return how many jobs of a sender wait behind each gate."""
    waiting = Counter[Gate]()
    for (_, word), jobs in depth.jobs.items():
        if isinstance(word, Gate):
            waiting[word] += jobs
    return waiting


def _quiet_gates(source: Campaign | Journey, held: Held) -> list[ClosedGate]:
    """Return what quiet hours hold of a source: in which zone, until when, and which hours."""
    if not held.jobs or source.quiet is None:
        return []
    until = rfc3339(held.opens_at_ms) if held.opens_at_ms is not None else None
    detail = f"{held.sentence}; {source.quiet.text}"
    gate = Gate.SCHEDULE.value
    return [ClosedGate(gate, held.jobs, holder=held.zone, until=until, detail=detail)]
