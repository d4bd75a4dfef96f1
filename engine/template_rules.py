"""What Meta lets a template be: limits and forms as data, each with its source.

`META` is the rule of today and the default; `SEED` is the stricter one of the product documents.
Sources, below https://developers.facebook.com/documentation/business-messaging/whatsapp/:
templates/components (limits of each component), templates/overview (name, languages),
templates/template-categorization (categories, authentication), templates/template-management
(editing); https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
(2388299: a variable at the beginning or the end).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

NAME_MAX = 512  # characters: templates/overview
LABEL_MAX = 25  # of a button
URL_MAX = 2_000
PHONE_MAX = 20
COUPON_MAX = 20  # 15 until 2025-12-03
HEADER_MAX = 60
FOOTER_MAX = 60
CARD_BODY_MAX = 160  # templates/marketing-templates/media-card-carousel-templates
CARDS = range(2, 11)
CARD_BUTTONS_MAX = 2
OFFER_BODY_MAX = 600  # with a limited_time_offer
CODE_MINUTES = range(1, 91)  # validity shown in the footer of an authentication template

COMPONENTS = ("HEADER", "BODY", "FOOTER", "BUTTONS", "CAROUSEL", "LIMITED_TIME_OFFER")
HEADERS = ("TEXT", "IMAGE", "VIDEO", "GIF", "DOCUMENT", "LOCATION", "PRODUCT")
SAMPLED_HEADERS = ("IMAGE", "VIDEO", "GIF", "DOCUMENT")  # Meta wants to see one before it judges
LINKS = ("URL", "PHONE_NUMBER")  # the calls to action of the product documents
SHORTENERS = frozenset(  # "using short URLs might cause templates to be rejected"
    {"bit.ly", "buff.ly", "cutt.ly", "goo.gl", "is.gd", "ow.ly", "rb.gy", "t.co", "tinyurl.com"}
)
CHATS = frozenset({"wa.me", "api.whatsapp.com", "chat.whatsapp.com"})  # refused by Meta as targets


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of limits; what the product documents do not narrow is Meta's."""

    name: str
    body_max: int = 1_024
    categories: tuple[str, ...] = ("MARKETING", "UTILITY", "AUTHENTICATION")
    buttons_max: int = 10
    each_max: Mapping[str, int] = field(
        default_factory=lambda: {
            "QUICK_REPLY": 10,
            "URL": 2,
            "PHONE_NUMBER": 1,
            "COPY_CODE": 1,
            "OTP": 1,
            "FLOW": 1,
            "CATALOG": 1,
            "MPM": 1,
            "SPM": 1,
            "VOICE_CALL": 1,
        }
    )
    mixes: bool = True  # quick replies may stand beside calls to action
    headers: tuple[str, ...] = HEADERS
    spares_unapproved: bool = True  # only edits of approved templates are counted


META = Profile("meta")
SEED = replace(
    META,
    name="seed",
    body_max=1_000,
    categories=("MARKETING", "UTILITY"),
    buttons_max=3,
    each_max={"QUICK_REPLY": 3, "URL": 1, "PHONE_NUMBER": 1},
    mixes=False,
    headers=tuple(each for each in HEADERS if each != "PRODUCT"),  # nor product messages at all
    spares_unapproved=False,  # "templates can be edited only once every 24 hours"
)
PROFILES: Mapping[str, Profile] = {each.name: each for each in (META, SEED)}

# The product documents' tracking addresses for dynamic URL buttons, by region of the account.
TRACKING: Mapping[str, str] = {
    "EU1": "https://ct1.io/",
    "IN1": "https://ct3.io/",
    "SG1": "https://ct4.io/",
    "US1": "https://ct5.io/",
}

# With the slash after its host: without, the address of another host could begin so.
_BASE = re.compile(r"https://[^\s/?#@{}\\]+/[^\s{}]*")


def is_tracking_address(text: str) -> bool:
    """Return whether dynamic URLs may have to begin so.

    >>> [is_tracking_address(each) for each in ("https://ct1.io/", "https://ct1.io", "ct1.io/")]
    [True, False, False]
    """
    return _BASE.fullmatch(text) is not None
