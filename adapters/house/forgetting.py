"""How a person is forgotten: in the slots, in what rows said, and in the log on this machine."""

from __future__ import annotations

from adapters.house.retelling import RetoldEraser
from adapters.house.shared import House
from adapters.redis.erase import RedisEraser, erase_log
from adapters.redis.erase_rows import RowEraser
from engine.erasing import Erasing


def erasing_of(house: House) -> Erasing:
    """Return what forgets people, and has a ledger that lost its tail told so again."""
    now_ms, ledger, persons = house.clock.now_ms, house.ledger, house.persons
    rows = RowEraser(house.client, house.registry.directory, house.recipients)
    eraser = RedisEraser(ledger.scripts, ledger.calls, now_ms, rows)
    return Erasing(
        persons.suppressions,
        persons.resting,
        RetoldEraser(eraser, house.recollection.remember),
        lambda portfolio, ids: erase_log(house.settings.export_path, portfolio, ids),
        persons.portfolios,
        now_ms,
    )
