"""Templates and numbers as Meta lists them, read row by row: a bad one costs only itself.

https://developers.facebook.com/documentation/business-messaging/whatsapp/templates
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from adapters.meta.wire import Text, Word, read
from engine.model import SenderId, TemplateStatus
from engine.quota import parse_limit

TEMPLATE_FIELDS: Final = (
    "id,name,language,status,category,quality_score,components,parameter_format,rejected_reason,"
    "correct_category"
)
NUMBER_FIELDS: Final = (
    "id,display_phone_number,verified_name,quality_rating,status,name_status,"
    "code_verification_status,throughput,platform_type,whatsapp_business_manager_messaging_limit"
)
ACCOUNT_FIELDS: Final = "id,account_review_status"
THROUGHPUTS: Final = {"STANDARD": 80, "HIGH": 1_000}
"""Messages a second by `throughput.level`; what else there is tells nothing.

https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput
"""


class MetaTemplate(Struct, frozen=True, kw_only=True):
    """A template in one language, as Meta lists it. `components` is JSON, an array."""

    id: str
    name: str
    language: str
    status: TemplateStatus
    category: str
    quality: str
    parameter_format: str
    components: bytes
    rejected_reason: str
    coming_category: str = ""  # Meta will change it to this one


class MetaNumber(Struct, frozen=True, kw_only=True):
    """A business number, as Meta knows it. None is what Meta does not tell: keep the last one."""

    id: SenderId
    display_phone_number: str
    verified_name: str
    status: str
    quality: str
    name_status: str
    code_verification_status: str
    platform_type: str
    throughput_mps: int | None
    messaging_limit: int | None  # the portfolio's; -1 is unlimited

    @property
    def is_connected(self) -> bool:
        """Return whether it may send and receive at all."""
        return self.status == "CONNECTED"


class TemplateRow(Struct):
    """A template on the wire."""

    name: str
    language: str
    id: Word = ""
    status: Text = None
    category: Text = None
    quality_score: Raw = Raw()
    components: Raw = Raw()
    parameter_format: Text = None
    rejected_reason: Text = None
    correct_category: Text = None


class Score(Struct):
    """A quality that comes as an object."""

    score: Text = None


class Cursors(Struct):
    """Where a page ends."""

    after: Text = None


class Paging(Struct):
    """Whether and how it goes on; `next` is never followed, for it may hold the token."""

    cursors: Cursors | None = None
    next: Text = None


class Page(Struct):
    """One page of a list."""

    data: list[Raw]
    paging: Paging | None = None


class Throughput(Struct):
    """How fast a number may send."""

    level: Text = None


class NumberRow(Struct):
    """A number on the wire."""

    id: Word = ""
    display_phone_number: Text = None
    verified_name: Text = None
    status: Text = None
    quality_rating: Text = None
    name_status: Text = None
    code_verification_status: Text = None
    platform_type: Text = None
    throughput: Throughput | None = None
    whatsapp_business_manager_messaging_limit: Word = None


class AccountRow(Struct):
    """An account on the wire."""

    account_review_status: Text = None


_account = msgspec.json.Decoder(AccountRow)
_page = msgspec.json.Decoder(Page)
_number = msgspec.json.Decoder(NumberRow)
_template = msgspec.json.Decoder(TemplateRow)
_score = msgspec.json.Decoder(Score | str | None)


def read_page(body: bytes) -> tuple[list[Raw], str] | None:
    """Return a page's rows and the cursor of the next (empty on the last); None for no page.

    One that goes on and does not tell where is none: what comes after it would be taken for gone.
    """
    page = read(_page, body)
    if page is None:
        return None
    paging = page.paging or Paging()
    after = (paging.cursors and paging.cursors.after) or ""
    if paging.next and not after:
        return None
    return page.data, after if paging.next else ""


def read_template(row: Raw | bytes) -> MetaTemplate | None:
    """Return the template of one row, or None when it cannot be read."""
    found = read(_template, row)
    if found is None or not found.name or not found.language:
        return None
    score = read(_score, found.quality_score)
    quality = score.score if isinstance(score, Score) else score
    return MetaTemplate(
        id=str(found.id or ""),
        name=found.name,
        language=found.language,
        status=_status(found.status or ""),
        category=(found.category or "").upper(),
        quality=(quality or "UNKNOWN").upper(),
        parameter_format=(found.parameter_format or "POSITIONAL").upper(),
        components=bytes(found.components) or b"[]",
        rejected_reason="" if found.rejected_reason == "NONE" else found.rejected_reason or "",
        coming_category=_coming(found),
    )


def read_review(row: Raw | bytes) -> str:
    """Return PENDING, APPROVED, REJECTED, … of an account's node; empty when it does not tell."""
    found = read(_account, row)
    return ((found and found.account_review_status) or "").upper()


def read_number(row: Raw | bytes) -> MetaNumber | None:
    """Return the number of one row, or None when it cannot be read."""
    found = read(_number, row)
    if found is None or not found.id:
        return None
    level = (found.throughput and found.throughput.level) or ""
    return MetaNumber(
        id=SenderId(str(found.id)),
        display_phone_number=found.display_phone_number or "",
        verified_name=found.verified_name or "",
        status=(found.status or "").upper(),
        quality=(found.quality_rating or "UNKNOWN").upper(),
        name_status=(found.name_status or "").upper(),
        code_verification_status=(found.code_verification_status or "").upper(),
        platform_type=(found.platform_type or "").upper(),
        throughput_mps=THROUGHPUTS.get(level.upper()),
        messaging_limit=parse_limit(found.whatsapp_business_manager_messaging_limit),
    )


def _coming(row: TemplateRow) -> str:
    """Return `correct_category` where it differs: empty means that nothing is coming."""
    coming = (row.correct_category or "").upper()
    return "" if coming == (row.category or "").upper() else coming


def _status(word: str) -> TemplateStatus:
    try:
        return TemplateStatus(word.upper())
    except ValueError:
        return TemplateStatus.UNKNOWN
