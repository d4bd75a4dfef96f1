"""Of several who move a source at once one is the last, for ledger and registry alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar

from engine.directory import Campaign, Journey, Registry, record_name
from engine.model import SourceState
from engine.ports import Catalog, SourceSpec

LOOKS_MAX: Final = 20  # others who move it meanwhile look again themselves

Source = TypeVar("Source", Campaign, Journey)


def spec_of(source: Campaign | Journey) -> SourceSpec:
    """Return what the ledger has to know of a source."""
    return SourceSpec(source.state, source.weight, getattr(source, "start_at_ms", 0))


async def agree(registry: Registry, catalog: Catalog, moved: Source) -> Source:
    """Return a source as it stands after `moved` was put in the ledger and then in the registry.

    Somebody else may have put it in the ledger before and in the registry after us, or the other
    way round: then it would be shown paused and go on. So whoever put the record looks for the
    newest one and puts that in the ledger, until nothing came in between. A cancel is for good.
    """
    shelf, name = registry.directory.shelf_of(moved), record_name(moved)
    newest = moved
    for _ in range(LOOKS_MAX):
        await registry.refresh()
        found = shelf.get(name, newest)
        assert isinstance(found, type(moved))
        newest = found
        is_undone = newest.state is not SourceState.CANCELLED
        if moved.state is SourceState.CANCELLED and is_undone:
            newest = replace(newest, state=moved.state, stopped_by="", stopped_from=None)
            await registry.put(newest)
        await catalog.put_source(newest.portfolio_id, newest.source, spec_of(newest))
        await registry.refresh()
        if shelf.get(name) == newest:
            break
    return newest
