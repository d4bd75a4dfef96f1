"""At the door: recipients in countries that Meta closed to an account are refused."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from engine.borders import ASPECT, country_of
from engine.countries import CountryRules
from engine.directory import Campaign, Directory, Sender
from engine.errors import InvalidJobError
from engine.facts import of_account
from engine.model import Category, NowMs

CLOSED: Final = "country_closed"


class BorderDoor:
    """Knows which countries are closed; what is queued already, the ledger refuses in its turn."""

    def __init__(self, directory: Directory, now_ms: NowMs) -> None:
        self._directory = directory
        self._now_ms = now_ms
        self._facts = 0  # so many there were when the countries were looked for
        self._countries: dict[str, list[str]] = {}  # by account, that were ever closed

    def refusal(self, waba: str, identity: str) -> InvalidJobError | None:
        """Return why an account may not write to a canonical id; None when it may."""
        if waba not in self._ever():
            return None
        country = country_of(identity)
        if not self._is_closed(waba, country):
            return None
        remedy = f"leave it out, or once Meta has lifted it: POST /v1/wabas/{waba}/open"
        return InvalidJobError(_detail(country), pointer="/to", code=CLOSED, remedy=remedy)

    def closed_to(self, campaign: Campaign) -> dict[str, str]:
        """Return the countries that no account of a campaign may write to, with a sentence each.

        What one of them may send is queued; the ledger refuses it where it falls to another.
        """
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


def forbidden(
    identity: str | None,
    category: Category,
    sender: Sender | None,
    rules: CountryRules,
    door: BorderDoor | None,
) -> list[InvalidJobError]:
    """Return what a rule of a person's country, or its border, says against a message."""
    if identity is None or sender is None:
        return []
    rule = rules.forbids(identity, category)
    if rule is not None:
        remedy = f"leave it out; {rule.source}"
        return [InvalidJobError(rule.detail, pointer="/to", code=rule.code, remedy=remedy)]
    refusal = door.refusal(sender.waba_id, identity) if door else None
    return [refusal] if refusal else []
