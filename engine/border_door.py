"""At the door: recipients in countries where a message cannot arrive are refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.borders import ASPECT, country_of
from engine.countries import MAYBE_US, CountryRules
from engine.directory import Campaign, Directory, Sender
from engine.errors import InvalidJobError
from engine.facts import of_account
from engine.model import Category, NowMs
from engine.recipients import canonical

CLOSED: Final = "country_closed"


@dataclass(frozen=True, slots=True)
class Bars:
    """Whom no row of a campaign may be for: by a rule about its category, or a closed border.

    `closed`: countries that no account of the campaign may write to, and the sentence that says so.
    """

    rules: CountryRules
    category: Category
    closed: Mapping[str, str]

    def refused(self, rows: Sequence[tuple[str, Sequence[str]]]) -> dict[int, tuple[str, str]]:
        """Return the places of rows that may not be sent, each with code and detail."""
        found: dict[int, tuple[str, str]] = {}
        if self.rules.applies_to(self.category):
            for place, (to, _) in enumerate(rows):
                if to.startswith(MAYBE_US) and canonical(to):
                    rule = self.rules.forbids(to, self.category)
                    if rule is not None:
                        found[place] = rule.code, rule.detail
        for place, (to, _) in enumerate(rows) if self.closed else ():
            country = country_of(canonical(to) or "0")
            if country in self.closed:
                found[place] = CLOSED, self.closed[country]
        return found


NO_BARS: Final = Bars(CountryRules(), Category.SERVICE, {})


class BorderDoor:
    """Knows which countries are closed; what is queued already, the ledger refuses in its turn."""

    def __init__(
        self, directory: Directory, now_ms: NowMs, rules: CountryRules | None = None
    ) -> None:
        self._directory = directory
        self._rules = rules or CountryRules()
        self._now_ms = now_ms
        self._facts = 0  # so many there were when the countries were looked for
        self._countries: dict[str, list[str]] = {}  # by account, that were ever closed

    def refusals(self, identity: str, category: Category, sender: Sender) -> list[InvalidJobError]:
        """Return what a rule of a person's country, or its border, says against a message."""
        rule = self._rules.forbids(identity, category)
        if rule is not None:
            remedy = f"leave it out; {rule.source}"
            return [InvalidJobError(rule.detail, pointer="/to", code=rule.code, remedy=remedy)]
        waba, country = sender.waba_id, country_of(identity)
        if waba not in self._ever() or not self._is_closed(waba, country):
            return []
        remedy = f"leave it out, or once Meta has lifted it: POST /v1/wabas/{waba}/open"
        return [InvalidJobError(_detail(country), pointer="/to", code=CLOSED, remedy=remedy)]

    def bars(self, campaign: Campaign) -> Bars:
        """Return whom no account of a campaign may write to.

        What one of them may send is queued; the ledger refuses it where it falls to another.
        """
        return Bars(self._rules, campaign.category, self._closed_to(campaign))

    def _closed_to(self, campaign: Campaign) -> dict[str, str]:
        known = self._directory.senders
        names = {known[name].waba_id: None for name in campaign.senders if name in known}
        first = next(iter(names), "")
        return {
            country: _detail(country)
            for country in self._ever().get(first, ())
            if all(self._is_closed(waba, country) for waba in names)
        }

    def _is_closed(self, waba: str, country: str) -> bool:
        fact = self._directory.facts.get(of_account(waba, ASPECT + country))
        return fact is not None and fact.until_ms > self._now_ms()

    def _ever(self) -> dict[str, list[str]]:
        """Return the countries that were ever closed; a name once told of stays."""
        facts = self._directory.facts
        if len(facts) != self._facts:
            found: defaultdict[str, list[str]] = defaultdict(list)
            for fact in list(facts.values()):
                kind, waba, aspect = fact.about
                if kind == "waba" and aspect.startswith(ASPECT):
                    found[waba].append(aspect.removeprefix(ASPECT))
            self._facts, self._countries = len(facts), dict(found)
        return self._countries


def _detail(country: str) -> str:
    return f"Meta refused this account's messages to {country} (130497): they are not sent now"
