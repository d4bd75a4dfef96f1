"""Pulses: what each worker did in the last seconds, so that a whole deployment can be watched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

ACCEPTED: Final = "accepted"
UNHURT: Final = frozenset({ACCEPTED, "unwritten"})  # outcomes after which nobody need look

Times = dict[str, dict[str, int]]  # a sender's label -> outcome, or Meta's error code -> how often


@dataclass(frozen=True, slots=True)
class Pulse:
    """What one worker did in the `took_ms` before `at_ms`; senders by their labels in metrics."""

    at_ms: int
    took_ms: int
    outcomes: Times = field(default_factory=dict[str, dict[str, int]])
    errors: Times = field(default_factory=dict[str, dict[str, int]])
    calls: int = 0  # of the Graph
    calls_us: int = 0  # the time of all of them


class Pulses(Protocol):
    """Where all workers' pulses of the last minutes are."""

    async def newest(self) -> Sequence[Pulse]:
        """Return those of the last minutes, the oldest first; LedgerAwayError: nobody knows."""
        ...


def rates_per_s(pulses: Iterable[Pulse], from_ms: int, until_ms: int) -> dict[str, float]:
    """Return how many messages a second Meta took of each sender in a span.

    A pulse that lies partly in it counts for that part.

    >>> rates_per_s([Pulse(4_000, 2_000, {"shop": {"accepted": 8}})], 3_000, 5_000)
    {'shop': 2.0}
    """
    rates: dict[str, float] = {}
    for pulse in pulses:
        share = _share(pulse, from_ms, until_ms)
        for sender, outcomes in pulse.outcomes.items() if share else ():
            taken = outcomes.get(ACCEPTED, 0) * share * 1_000 / (until_ms - from_ms)
            rates[sender] = rates.get(sender, 0.0) + taken
    return rates


def paces_per_s(
    pulses: Sequence[Pulse], from_ms: int, step_ms: int, steps: int
) -> tuple[list[float], list[float]]:
    """Return, step by step, how many messages a second were accepted, and how many were not."""
    accepted, others = [0.0] * steps, [0.0] * steps
    for pulse in pulses:
        taken, hurt = _taken_and_hurt(pulse)
        first = max(0, (pulse.at_ms - pulse.took_ms - from_ms) // step_ms)
        last = min(steps - 1, (pulse.at_ms - from_ms) // step_ms)
        for step in range(first, last + 1):
            begin_ms = from_ms + step * step_ms
            share = _share(pulse, begin_ms, begin_ms + step_ms) * 1_000 / step_ms
            accepted[step] += taken * share
            others[step] += hurt * share
    return accepted, others


def errors_by_code(pulses: Iterable[Pulse], from_ms: int) -> dict[str, dict[str, int]]:
    """Return of each of Meta's codes how often each sender met it, since then.

    >>> errors_by_code([Pulse(9, 1, errors={"shop": {"130429": 2}})], 0)
    {'130429': {'shop': 2}}
    """
    codes: dict[str, dict[str, int]] = {}
    for pulse in pulses:
        for sender, errors in pulse.errors.items() if pulse.at_ms > from_ms else ():
            for code, times in errors.items():
                senders = codes.setdefault(code, {})
                senders[sender] = senders.get(sender, 0) + times
    return codes


def _taken_and_hurt(pulse: Pulse) -> tuple[int, int]:
    taken = hurt = 0
    for outcomes in pulse.outcomes.values():
        taken += outcomes.get(ACCEPTED, 0)
        hurt += sum(times for outcome, times in outcomes.items() if outcome not in UNHURT)
    return taken, hurt


def _share(pulse: Pulse, from_ms: int, until_ms: int) -> float:
    """Return which part of a pulse lies in a span."""
    took_ms = max(1, pulse.took_ms)
    overlap_ms = min(pulse.at_ms, until_ms) - max(pulse.at_ms - took_ms, from_ms)
    return max(0, overlap_ms) / took_ms
