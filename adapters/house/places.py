"""The directories that a process writes to, tried before anything is trusted to them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from adapters.settings import Settings


class PlaceError(Exception):
    """A directory or a file in it cannot be used; the message names the setting and the remedy."""


def try_places(settings: Settings) -> None:
    """Make the directories of the settings and write to each; PlaceError where that fails."""
    if not settings.secret_keys:
        _try("PENSTOCK_DATA_DIR", settings.data_dir, 0o700)  # the key of the seal is kept there
    named = "PENSTOCK_EXPORT_DIR" if settings.export_dir else "PENSTOCK_DATA_DIR"
    _try(named, settings.export_path, 0o777 if settings.export_dir else 0o700)


def _try(setting: str, path: Path, mode: int) -> None:
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (OSError, ValueError) as error:  # ValueError: no path at all
        why = error.strerror if isinstance(error, OSError) else str(error)
        remedy = f"Set {setting} to a directory that this process can write to."
        raise PlaceError(f"{str(path)[:200]!r} cannot be written to: {why}. {remedy}") from error
