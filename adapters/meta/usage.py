"""What Meta says about our share of its call quotas, in the headers of an answer.

Values are percent of the quota; `estimated_time_to_regain_access` is in minutes:
https://developers.facebook.com/docs/graph-api/overview/rate-limiting
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from adapters.meta.wire import Shape, read

BUSINESS_USAGE: Final = "X-Business-Use-Case-Usage"
APP_USAGE: Final = "X-App-Usage"
RETRY_AFTER: Final = "Retry-After"  # not documented for WhatsApp; honoured when it comes
MINUTE_MS: Final = 60_000
SECOND_MS: Final = 1_000
LONGEST_MS: Final = 24 * 60 * MINUTE_MS  # a longer wait is a broken header
HEADER_MAX: Final = 8_192  # characters; Meta puts at most 32 objects in it


class Usage(msgspec.Struct):
    """One line of a usage header."""

    call_count: float = 0
    total_time: float = 0
    total_cputime: float = 0
    estimated_time_to_regain_access: float = 0

    @property
    def percent(self) -> float:
        """Return the fullest of the three quotas."""
        return max(self.call_count, self.total_time, self.total_cputime)


_app = msgspec.json.Decoder(Usage)
_business = msgspec.json.Decoder(dict[str, list[Usage]])


def usages(headers: Mapping[str, str]) -> list[Usage]:
    """Return every line the headers hold; a header that cannot be read counts as absent."""
    app = _read(_app, headers.get(APP_USAGE, ""))
    business = _read(_business, headers.get(BUSINESS_USAGE, ""))
    found = [app] if app else []
    for lines in (business or {}).values():
        found += lines
    return found


def regain_ms(headers: Mapping[str, str]) -> int:
    """Return how long Meta asks us to wait; 0 when it does not say."""
    minutes = max((line.estimated_time_to_regain_access for line in usages(headers)), default=0.0)
    wait_ms = max(int(minutes * MINUTE_MS), retry_after_ms(headers))
    return min(max(wait_ms, 0), LONGEST_MS)


def _read(decoder: msgspec.json.Decoder[Shape], header: str) -> Shape | None:
    """Return what a header holds; None when it is absent, too long or of another shape."""
    if not header or len(header) > HEADER_MAX:
        return None
    return read(decoder, header.encode(errors="replace"))


def retry_after_ms(headers: Mapping[str, str]) -> int:
    """Return a Retry-After of seconds; 0 when there is none, or one that names a date."""
    seconds = headers.get(RETRY_AFTER, "")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= len(str(LONGEST_MS))):
        return 0
    return min(int(seconds) * SECOND_MS, LONGEST_MS)
