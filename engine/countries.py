"""Where Meta delivers no message of a kind: rules about countries, refused at the door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.model import Category

UNITED_STATES: Final = "US"
US_NUMBER_DIGITS: Final = 11
# Area codes of +1 that are not the United States': Canada, the Caribbean, and territories, of
# which Meta says nothing. https://nationalnanpa.com and libphonenumber, which a test asks.
ELSEWHERE: Final = frozenset(
    (
        *(204, 226, 236, 242, 246, 249, 250, 257, 263, 264, 268, 273, 284, 289, 306, 340, 343),
        *(345, 354, 365, 367, 368, 382, 387, 403, 416, 418, 428, 431, 437, 438, 441, 450, 460),
        *(468, 473, 474, 506, 514, 519, 548, 579, 581, 584, 587, 600, 604, 613, 622, 633, 639),
        *(644, 647, 649, 655, 658, 664, 670, 671, 672, 677, 683, 684, 688, 705, 709, 721, 742),
        *(753, 758, 767, 778, 780, 782, 784, 787, 807, 809, 819, 825, 829, 849, 867, 868, 869),
        *(873, 876, 879, 902, 905, 939, 942),
    )
)
MAYBE_US: Final = ("+1", "1", "US.")  # how ids begin that are worth a look


@dataclass(frozen=True, slots=True)
class CountryRule:
    """A kind of message that is not delivered in a country."""

    country: str
    category: Category
    code: str  # for callers
    detail: str
    source: str


RULES: Final = {
    UNITED_STATES: CountryRule(
        UNITED_STATES,
        Category.MARKETING,
        "country_marketing",
        "Meta delivers no marketing messages to numbers of the United States since 2025-04-01",
        "https://developers.facebook.com/documentation/business-messaging/whatsapp"
        "/templates/marketing-templates/per-user-limits",
    )
}


def is_in_the_us(identity: str) -> bool:
    """Return whether a canonical id is of the United States: by area code, or a user id's country.

    >>> [is_in_the_us(each) for each in ("16505551234", "14165551234", "4915112345678", "US.123")]
    [True, False, False, True]
    """
    if identity.startswith("US."):
        return True
    is_north = identity.startswith("1") and len(identity) == US_NUMBER_DIGITS
    return is_north and int(identity[1:4]) not in ELSEWHERE


class CountryRules:
    """The rules in force; without any nothing is refused."""

    def __init__(self, countries: Sequence[str] = ()) -> None:
        self._rules = [RULES[country] for country in countries]

    def applies_to(self, category: Category) -> bool:
        """Return whether recipients of such messages need a look."""
        return any(rule.category is category for rule in self._rules)

    def forbids(self, identity: str, category: Category) -> CountryRule | None:
        """Return the rule by which a person cannot get such a message; None when there is none."""
        if not identity.startswith(MAYBE_US):
            return None
        found = [rule for rule in self._rules if rule.category is category]
        return found[0] if found and is_in_the_us(identity.removeprefix("+")) else None
