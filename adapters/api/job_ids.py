"""Public job ids: nobody can guess one of another portfolio, and none needs to be stored."""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from hashlib import blake2b

from engine.model import JobKey

PREFIX = "pst."
MAC_BYTES = 8
_PLACE = struct.Struct(">IIQ")  # portfolio's number, lane, sequence


class JobIds:
    """Writes and reads ids; only who knows the secret can write one that we believe."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = blake2b(key=secret[:64], digest_size=MAC_BYTES)

    def encode(self, portfolio: int, key: JobKey) -> str:
        """Return the id of a job of the portfolio with this number.

        >>> JobIds(b"secret").encode(1, JobKey(3, 17))
        'pst.AAAAAQAAAAMAAAAAAAAAESJE2-e9XbFk'
        """
        place = _PLACE.pack(portfolio, key.lane, key.sequence)
        return PREFIX + base64.urlsafe_b64encode(place + self._mac(place)).decode().rstrip("=")

    def decode(self, text: str) -> tuple[int, JobKey] | None:
        """Return portfolio number and key; None when the id is none of ours."""
        encoded = text.removeprefix(PREFIX)
        try:
            raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except (ValueError, binascii.Error):
            return None
        place, mac = raw[: _PLACE.size], raw[_PLACE.size :]
        if not text.startswith(PREFIX) or len(place) != _PLACE.size:
            return None
        if not hmac.compare_digest(mac, self._mac(place)):
            return None
        portfolio, lane, sequence = _PLACE.unpack(place)
        return portfolio, JobKey(lane, sequence)

    def _mac(self, place: bytes) -> bytes:
        state = self._keyed.copy()
        state.update(place)
        return state.digest()
