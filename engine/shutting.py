"""What of a number or an account waits while the rest of it goes on: categories of messages.

Meta and the operators' own guards seldom stop a whole number: a restricted one may answer, and
complaints are about marketing. What a message is to Meta decides, not the priority it was given:
https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-categorization
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from engine.model import Category

NOTIFICATIONS = (Category.AUTHENTICATION, Category.UTILITY, Category.MARKETING)
"""What a business sends unasked: every template; what is left are answers."""


class Shut(NamedTuple):
    """Until when the messages of each category wait, epoch ms; 0 is open."""

    authentication: int = 0
    service: int = 0
    utility: int = 0
    marketing: int = 0

    def until_ms(self, category: Category) -> int:
        """Return until when a category waits.

        >>> Shut(marketing=9).until_ms(Category.MARKETING), Shut().until_ms(Category.SERVICE)
        (9, 0)
        """
        return self[PLACES.index(category)]

    def also(self, categories: Collection[Category], until_ms: int) -> Shut:
        """Return it with some categories shut, at least until then.

        >>> Shut(marketing=9).also([Category.MARKETING, Category.UTILITY], 5)
        Shut(authentication=0, service=0, utility=5, marketing=9)
        """
        return Shut(
            *(
                max(known_ms, until_ms) if category in categories else known_ms
                for category, known_ms in zip(PLACES, self, strict=True)
            )
        )

    def after(self, now_ms: int) -> Shut:
        """Return it without what is over.

        >>> Shut(utility=5, marketing=9).after(5)
        Shut(authentication=0, service=0, utility=0, marketing=9)
        """
        return Shut(*(until_ms if until_ms > now_ms else 0 for until_ms in self))


PLACES = tuple(Category)
NOTHING_SHUT = Shut()
