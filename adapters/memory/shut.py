"""What of a sender or an account is shut: set, over, and the lanes that wake then."""

from __future__ import annotations

from adapters.memory.slot import Slot
from engine.model import Category, Gate
from engine.ports import FOREVER_MS
from engine.shutting import NOTHING_SHUT, PLACES, Shut

SHUT = "shut|"  # how the ends of what is shut begin among the openings; no source does


def put_shut(slot: Slot, holder: tuple[Gate, str], shut: Shut, now_ms: int) -> None:
    """Set what of a sender or an account is shut; lanes of what opens wake."""
    known, shut = slot.shut.get(holder, NOTHING_SHUT), shut.after(now_ms)
    _write(slot, holder, shut)
    for category in PLACES:
        name, until_ms = _end_name(holder, category), shut.until_ms(category)
        slot.openings.drop(name)
        if 0 < until_ms < FOREVER_MS:
            slot.openings.put(name, until_ms)
        if known.until_ms(category) and not until_ms:
            slot.open_gate(_asleep_at(holder, category), now_ms)


def end_shut(slot: Slot, name: str, now_ms: int) -> None:
    """Open a category whose time is over, by the name of its end among the openings."""
    gate, _, rest = name.removeprefix(SHUT).partition("|")
    key, _, category = rest.rpartition("|")
    holder = (Gate(gate), key)
    _write(slot, holder, slot.shut[holder]._replace(**{category: 0}))
    slot.open_gate(_asleep_at(holder, Category(category)), now_ms)


def open_category(slot: Slot, category: Category, now_ms: int) -> None:
    """Wake all lanes that sleep as of a category: some of them may be of another by now."""
    for holder in sorted(slot.shut):
        slot.open_gate(_asleep_at(holder, category), now_ms)


def move_account(slot: Slot, old: str, new: str, now_ms: int) -> None:
    """Wake the lanes that sleep behind an account which a sender of it has left."""
    if old != new:
        for category in PLACES:
            slot.open_gate(_asleep_at((Gate.ACCOUNT, old), category), now_ms)


def _write(slot: Slot, holder: tuple[Gate, str], shut: Shut) -> None:
    slot.shut.pop(holder, None)
    if shut != NOTHING_SHUT:
        slot.shut[holder] = shut


def _asleep_at(holder: tuple[Gate, str], category: Category) -> tuple[Gate, str]:
    return (holder[0], f"{holder[1]}|{category}")


def _end_name(holder: tuple[Gate, str], category: Category) -> str:
    return f"{SHUT}{holder[0]}|{holder[1]}|{category}"


def closed_until_ms(
    slot: Slot, gate: tuple[Gate, str], known_ms: int, put_ms: int, now_ms: int
) -> int:
    """Return until when a gate is closed that is put so: what an answer closed just now stays.

    Whoever puts computes from what was told, and an answer is told a moment after it closed.
    """
    held_ms = slot.answered.get(gate, 0)
    if held_ms <= now_ms:
        slot.answered.pop(gate, None)
        return put_ms
    return max(put_ms, min(held_ms, known_ms))
