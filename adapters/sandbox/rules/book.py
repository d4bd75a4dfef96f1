"""The book: every violation by rule, with a few examples that name no whole phone number."""

from __future__ import annotations

from msgspec import Struct, field

RULES = (
    "quota",
    "rate",
    "pair",
    "retry",
    "account",
    "sender",
    "template",
    "window",
    "suppression",
    "country",
    "schedule",
    "source",
    "duplicate",
)
EXAMPLES_MAX = 5


class Example(Struct, frozen=True):
    """One violation, as far as a report may show it."""

    at_ms: int
    phone_number_id: str
    recipient: str
    template: str
    details: str


class Entry(Struct):
    """How often a rule was broken, and the first few times."""

    count: int = 0
    examples: list[Example] = field(default_factory=list[Example])


class Book:
    """Violations by rule; a rule nobody broke has no entry."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def convict(
        self,
        rule: str,
        at_ms: int,
        *,
        phone_number_id: str,
        recipient: str = "",
        template: str = "",
        details: str = "",
    ) -> None:
        """Record one violation; only the last 4 characters of the recipient are kept."""
        entry = self.entries.get(rule)
        if entry is None:
            entry = self.entries[rule] = Entry()
        entry.count += 1
        if len(entry.examples) < EXAMPLES_MAX:
            entry.examples.append(
                Example(at_ms, phone_number_id, masked(recipient), template, details)
            )


def masked(recipient: str) -> str:
    """Return the recipient with all but the last 4 characters hidden."""
    return f"…{recipient[-4:]}" if recipient else ""
