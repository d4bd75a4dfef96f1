"""What the API answers of quiet hours."""

from __future__ import annotations

import msgspec


class QuietAnswer(msgspec.Struct):
    """Hours in which nobody is written to; with `recipient` by the time zone of each."""

    from_: str = msgspec.field(name="from")
    to: str
    time_zone: str
    recipient: bool
