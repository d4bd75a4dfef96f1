"""Of several who move a source at once one is the last, for ledger and registry alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from engine.directory import Campaign, Journey, Registry, record_name
from engine.errors import InvalidJobError, UnknownNameError
from engine.model import SourceState
from engine.ports import Catalog, SourceSpec

LOOKS_MAX: Final = 20  # others who move it meanwhile look again themselves
CLOSED: Final = frozenset({SourceState.PAUSED, SourceState.STOPPED, SourceState.CANCELLED})

Source = TypeVar("Source", Campaign, Journey)


def spec_of(source: Campaign | Journey) -> SourceSpec:
    """Return what the ledger has to know of a source."""
    return SourceSpec(source.state, source.weight, getattr(source, "start_at_ms", 0))


async def move(
    registry: Registry, catalog: Catalog, known: Source, moved: Callable[[Source], Source]
) -> Source:
    """Move a source in registry and ledger; return it as it stands then.

    `moved` says what becomes of it, and is asked again where somebody else moved it meanwhile; an
    InvalidJobError that it raises comes out. What closes is in force before it is written down, and
    what opens after: whoever dies in between leaves nothing that goes on and is shown closed.
    """

    def newest_moved(newest: Source | None) -> Source:
        if newest is None:
            raise UnknownNameError(f"there is no {known.source.replace(':', ' ')} any more")
        return moved(newest)

    planned = moved(known)
    if planned.state in CLOSED:
        await catalog.put_source(planned.portfolio_id, planned.source, spec_of(planned))
    try:
        stored = await registry.change(type(known), record_name(known), newest_moved)
    except InvalidJobError:
        await agree(registry, catalog, known)
        raise
    return await agree(registry, catalog, stored)


async def agree(registry: Registry, catalog: Catalog, moved: Source) -> Source:
    """Return a source as it stands after `moved` was put in the registry.

    Somebody else may have put it there after us, and in the ledger before: then it would be shown
    paused and go on. So whoever has put the record looks for the newest one and puts that in the
    ledger, until nothing came in between.
    """
    shelf, name = registry.directory.shelf_of(moved), record_name(moved)
    await registry.refresh()
    newest = shelf.get(name, moved)
    for _ in range(LOOKS_MAX):
        await catalog.put_source(newest.portfolio_id, newest.source, spec_of(newest))
        await registry.refresh()
        found = shelf.get(name, newest)
        if found == newest:
            break
        newest = found
    return newest
