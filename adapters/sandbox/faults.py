"""What goes wrong, decided per send: by the seed, the recipient and how often it was met."""

from __future__ import annotations

import hashlib
import math
import random

from adapters.sandbox.scenario import Fault
from adapters.sandbox.world import Send


class Lottery:
    """Draws that depend on the seed and a key alone, never on the order in which sends arrive."""

    def __init__(self, rng: random.Random) -> None:
        self._key = rng.getrandbits(128).to_bytes(16, "big")

    def draw(self, purpose: str, key: str) -> float:
        """Return a number in [0, 1) that is always the same for this purpose and key."""
        digest = hashlib.blake2b(f"{purpose}|{key}".encode(), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64


class Faults:
    """The faults of a scenario at work; `specs` may be replaced while it plays."""

    def __init__(self, specs: list[Fault], lottery: Lottery, started_at_ms: int) -> None:
        self._lottery = lottery
        self._met: dict[str, int] = {}
        self.struck: dict[str, int] = {}
        self.replace(specs, started_at_ms)

    def replace(self, specs: list[Fault], at_ms: int) -> None:
        """Let other faults happen from now on; their times count from here."""
        self._started_at_ms = at_ms
        self._resets = [(i, each) for i, each in enumerate(specs) if each.kind == "reset"]
        self._others = [(i, each) for i, each in enumerate(specs) if each.kind != "reset"]
        self._times: dict[int, int] = {}

    def resets(self, number_id: str, at_ms: int) -> bool:
        """Return whether the connection is cut before the body is read."""
        if not self._resets:
            return False
        return any(
            self._strikes(i, each, number_id, at_ms)
            for i, each in self._resets
            if not each.phone_number_ids or number_id in each.phone_number_ids
        )

    def strike(self, send: Send, at_ms: int) -> list[Fault]:
        """Return what goes wrong with this send, in the scenario's order; mostly nothing."""
        if not self._others:
            return []
        return [
            each
            for i, each in self._others
            if self._concerns(each, send) and self._strikes(i, each, send.recipient, at_ms)
        ]

    def length_ms(self, fault: Fault, send: Send) -> int:
        """Return how long a fault's delay is for this send."""
        if not fault.spread_ms:
            return fault.delay_ms
        share = self._lottery.draw("length", f"{send.recipient}|{send.opaque}")
        if fault.is_exponential:
            share = -math.log(1.0 - share)
        return fault.delay_ms + int(fault.spread_ms * share)

    @staticmethod
    def _concerns(fault: Fault, send: Send) -> bool:
        """Return whether the fault's filters match the send."""
        return (
            (not fault.phone_number_ids or send.number.id in fault.phone_number_ids)
            and (not fault.templates or send.template_name in fault.templates)
            and (
                not fault.recipients
                or send.recipient in fault.recipients
                or f"+{send.recipient}" in fault.recipients
            )
        )

    def _strikes(self, index: int, fault: Fault, key: str, at_ms: int) -> bool:
        """Return whether the fault happens to the key's next send, within its time and number."""
        since_ms = at_ms - self._started_at_ms
        if since_ms < fault.from_ms or (fault.until_ms is not None and since_ms >= fault.until_ms):
            return False
        times = self._times.get(index, 0)
        if fault.times_max is not None and times >= fault.times_max:
            return False
        if fault.rate < 1.0:
            met_key = f"{index}|{key}"
            met = self._met.get(met_key, 0)
            self._met[met_key] = met + 1
            if self._lottery.draw(fault.kind, f"{met_key}|{met}") >= fault.rate:
                return False
        self._times[index] = times + 1
        self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
        return True
