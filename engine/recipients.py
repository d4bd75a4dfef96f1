"""Who should hear from us: one canonical id a person, and the keyed hash we count people by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import cast

from engine.model import RecipientKey

KEY_BYTES = 8  # of a keyed hash: enough for 10^8 people in a window, useless without the key
DIGITS_MAX = 15  # E.164
DIGITS_MIN = 8

_E164 = re.compile(r"\+?[1-9][0-9]{7,14}")
# ISO 3166 country, a dot, at most 128 alphanumerics; `US.ENT.…` in linked portfolios:
# https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_CHUNK = re.compile(r"\+?[1-9][0-9]{7,14}(?:\n\+?[1-9][0-9]{7,14})*")
_FORMATTING = str.maketrans("", "", " -()./\u00a0")


def canonical(text: str) -> str | None:
    """Return the id a person is counted by: digits without `+`, or a BSUID; None when neither.

    >>> canonical("+4915112345678"), canonical("US.13491208655302741918"), canonical("0151")
    ('4915112345678', 'US.13491208655302741918', None)
    """
    if _E164.fullmatch(text):
        return text.removeprefix("+")
    return text if _USER_ID.fullmatch(text) else None


def canonical_chunk(texts: Sequence[str]) -> str | None:
    """Return all ids, a line each, when every text is an E.164 number, else None.

    Then they are to be looked at one by one.
    """
    joined = "\n".join(texts)
    if joined.count("\n") != len(texts) - 1 or _CHUNK.fullmatch(joined) is None:
        return None
    return joined.replace("+", "")


def on_the_wire(identity: str) -> str:
    """Return a canonical id as a row's tail carries it: `+` and digits, or the BSUID.

    Meta prepends the business's own country code to a number without `+`:
    https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/phone-numbers
    """
    return "+" + identity if identity[0].isdigit() else identity


def why_not(text: str) -> tuple[str, str]:
    """Return a code and a sentence that name what is wrong with a recipient; it is not repeated."""
    digits = text.translate(_FORMATTING).removeprefix("+")
    if not text.strip():
        return "missing", "there is no recipient"
    if not (digits.isascii() and digits.isdigit()):
        return "not_a_number", "is neither an E.164 number nor a business-scoped user id"
    if digits.startswith("0"):
        return "no_country_code", "starts with 0; E.164 starts with the country code"
    if len(digits) < DIGITS_MIN:
        return "too_short", f"has {len(digits)} digits; E.164 has at least {DIGITS_MIN}"
    if len(digits) > DIGITS_MAX:
        return "too_long", f"has {len(digits)} digits; E.164 has at most {DIGITS_MAX}"
    return "formatted", "has spaces or punctuation; write digits only, with or without `+`"


class RecipientKeys:
    """The one hash of people, and of what makes two jobs one, keyed by a secret of this ledger."""

    def __init__(self, secret: bytes) -> None:
        assert len(secret) >= KEY_BYTES, "a short key can be guessed"
        self._keyed = blake2b(key=secret[:64], digest_size=KEY_BYTES)
        self._named = blake2b(b"dedupe\0", key=secret[:64], digest_size=KEY_BYTES)
        self._bodies = blake2b(b"body\0", key=secret[:64], digest_size=KEY_BYTES)

    def key(self, identity: str) -> RecipientKey:
        """Return the 8 bytes that stand for the person with this canonical id."""
        state = self._keyed.copy()
        state.update(identity.encode())
        return RecipientKey(state.digest())

    def keys(self, identities: Sequence[bytes]) -> list[RecipientKey]:
        """Return the keys of many people: the loop of the bulk path."""
        keys: list[bytes] = []
        copy = self._keyed.copy
        for identity in identities:
            state = copy()
            state.update(identity)
            keys.append(state.digest())
        return cast("list[RecipientKey]", keys)

    def dedupe(self, name: str) -> bytes:
        """Return the 8 bytes that stand for a caller's key within its source."""
        state = self._named.copy()
        state.update(name.encode("utf-8", "surrogateescape"))
        return state.digest()

    def fingerprint(self, *parts: bytes) -> bytes:
        """Return the 8 bytes that stand for a job's body."""
        state = self._bodies.copy()
        for part in parts:
            state.update(len(part).to_bytes(4))
            state.update(part)
        return state.digest()
