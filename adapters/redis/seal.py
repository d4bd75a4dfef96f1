"""What must not be read where it is kept: one text sealed under a secret, for its owner alone."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.errors import EngineError

NONCE_BYTES: Final = 12
SEAL_VERSION: Final = b"\x01"


class SealError(EngineError):
    """A token was sealed with another PENSTOCK_SECRET_KEY; give that one, or add it again."""


class Seal:
    """AES-256-GCM over one text; its owner's name is authenticated, so they cannot be swapped.

    The first secret seals; the others, while secrets are being changed, only open.
    """

    def __init__(self, secret: str, *others: str) -> None:
        self._ciphers = [
            AESGCM(hashlib.sha256(b"penstock seal\0" + each.encode()).digest())
            for each in (secret, *others)
        ]

    def close(self, owner: str, text: str) -> bytes:
        """Return the text sealed."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        content = self._ciphers[0].encrypt(nonce, text.encode(), owner.encode())
        return SEAL_VERSION + nonce + content

    def open(self, owner: str, sealed: bytes) -> str:
        """Return the text; SealError when another secret or another owner's name sealed it."""
        return self._opened(owner, sealed)[1]

    def is_of_another(self, owner: str, sealed: bytes) -> bool:
        """Return whether a secret sealed it that only opens now; SealError as in `open`."""
        return self._opened(owner, sealed)[0] > 0

    def _opened(self, owner: str, sealed: bytes) -> tuple[int, str]:
        nonce, content = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        for place, cipher in enumerate(self._ciphers):
            with contextlib.suppress(InvalidTag, ValueError):
                return place, cipher.decrypt(nonce, content, owner.encode()).decode()
        raise SealError(
            f"the access token of sender {owner} was sealed with another "
            "PENSTOCK_SECRET_KEY: set that one, or add the sender again"
        )
