"""What rides along with a message and comes back in its webhooks: which copy of which job.

Meta returns `biz_opaque_callback_data` with every status of a message:
https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest
from typing import NamedTuple

from engine.model import JobKey, RecipientKey

BEGIN = "1."  # the version
MAC_BYTES = 8
LENGTH_MAX = 100
TRIAL = 0  # as lane: of a test send, which is no job; its sequence is when its place was taken


class Opaque(NamedTuple):
    """Which copy of which job a status speaks of, and whose place it holds."""

    key: JobKey
    attempt: int
    recipient: RecipientKey


class OpaqueCodec:
    """Writes and reads the text; only who knows the secret can write one that we believe."""

    def __init__(self, secret: bytes) -> None:
        # A secret of any length: blake2b takes keys of at most 64 bytes.
        key = blake2b(secret, digest_size=32).digest()
        self._keyed = blake2b(key=key, digest_size=MAC_BYTES)

    def encode(self, key: JobKey, attempt: int, recipient: RecipientKey) -> str:
        """Return the text for one copy of a job: plain ASCII, at most LENGTH_MAX characters.

        >>> OpaqueCodec(b"secret").encode(JobKey(3, 17), 1, RecipientKey(b"8 bytes."))
        '1.3.17.1.382062797465732e.d3802bd3bfb40059'
        """
        lane, sequence = key
        text = f"{BEGIN}{lane}.{sequence}.{attempt}.{recipient.hex()}"
        mac = self._keyed.copy()
        mac.update(text.encode())
        return f"{text}.{mac.hexdigest()}"

    def decode(self, text: str) -> Opaque | None:
        """Return what `text` says; None when it is foreign, torn or forged."""
        said, _, claimed_mac = text.rpartition(".")
        if not (said.startswith(BEGIN) and text.isascii()):
            return None
        mac = self._keyed.copy()
        mac.update(said.encode())
        if not compare_digest(mac.hexdigest(), claimed_mac):
            return None
        _, lane, sequence, attempt, recipient = said.split(".")  # as only we can have written it
        key = JobKey(int(lane), int(sequence))
        return Opaque(key, int(attempt), RecipientKey(bytes.fromhex(recipient)))
