"""What one claim knows while it is under way: its wish, its senders, the places it took."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.memory.records import SenderState
from adapters.memory.slot import Slot
from engine.model import Category, Gate, Priority, SenderId
from engine.pace import AHEAD_HIGH_MS, AHEAD_LOW_MS
from engine.ports import FOREVER_MS, Ask, Claimed
from engine.terms import STEPS_MAX


@dataclass(slots=True)
class Loaded:
    """A sender as one claim sees it."""

    sender: SenderId
    state: SenderState | None
    closed: tuple[Gate, int] | None
    wants_ms: int = FOREVER_MS  # when a waiter it could not serve may be tried again


@dataclass(slots=True)
class Claim:
    """One claim under way."""

    slot: Slot
    ask: Ask
    now_ms: int
    steps: int = STEPS_MAX
    low_left: int = 0
    jobs: list[Claimed] = field(default_factory=list)
    loaded: dict[SenderId, Loaded] = field(default_factory=dict)
    refusals: dict[tuple[SenderId, Gate], int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    only: Priority | None = None  # the one that has jobs to give: then nobody's turns are counted

    # -- what it may still take ---------------------------------------------------------------

    def may_take(self, priority: Priority) -> bool:
        """Return whether the wish still has room for a job of `priority`."""
        if self.steps <= 0 or len(self.jobs) >= self.ask.most:
            return False
        return priority <= Priority.SERVICE or self.low_left > 0

    def has_slot(self, loaded: Loaded, priority: Priority, *, slowed: bool = False) -> bool:
        """Return whether the sender's next send time is near enough for `priority`."""
        if Gate.RATE in self.slot.terms.gates_off:
            return True
        assert loaded.state is not None
        ahead = ahead_ms(priority, slowed=slowed)
        return loaded.state.slots.has_slot(self.now_ms, ahead, is_marketing=slowed)

    def is_slowed(self, loaded: Loaded, number: int) -> bool:
        """Return whether what waits in a lane takes marketing's share of the sender's send times.

        What a message is decides, not the priority it was given.
        """
        assert loaded.state is not None
        category = self.slot.category(self.slot.lanes[number].lane)
        return loaded.state.slots.marketing_share < 1 and category is Category.MARKETING

    def load(self, sender: SenderId) -> Loaded:
        """Return a sender with its gate, looked at once per claim."""
        if sender not in self.loaded:
            closed = self.slot.sender_closed_until(sender, self.now_ms)
            state = self.slot.senders.get(sender)
            self.loaded[sender] = Loaded(sender, state, closed)
            if state is not None:
                state.slots.learn_up(self.now_ms)
        return self.loaded[sender]

    def free(self, scope: str, priority: Priority) -> bool:
        """Return whether a place is free for `priority`."""
        if Gate.QUOTA in self.slot.terms.gates_off:
            return True
        ceiling = self.slot.limit(scope).ceiling(priority)
        return ceiling < 0 or self.taken(scope) < ceiling

    def taken(self, scope: str) -> int:
        """Return how many places are taken, this claim's own included."""
        if scope not in self.used:
            self.used[scope] = self.slot.used(scope, self.now_ms)
        return self.used[scope]

    def refuse(self, sender: SenderId, gate: Gate) -> None:
        """Note that a gate held something back."""
        self.refusals[(sender, gate)] = self.refusals.get((sender, gate), 0) + 1


def ahead_ms(priority: int, *, slowed: bool = False) -> int:
    """Return how far ahead a send time of `priority` may lie; of what is slowed never far."""
    return AHEAD_LOW_MS if slowed or priority > Priority.SERVICE else AHEAD_HIGH_MS
