"""Hearing that a campaign was rewritten, also where no hint came: no process sends the old one."""

from __future__ import annotations

from collections.abc import Callable

from engine.directory import Campaign, Directory

State = tuple[int, int, tuple[str, ...]]  # version, priority, templates


class Rewrites:
    """Looks at the campaigns after each refresh; `forget` is told of those that are others now."""

    def __init__(self, directory: Directory, forget: Callable[[Campaign], None]) -> None:
        self._directory = directory
        self._forget = forget
        self._seen: dict[str, State] = {}

    def look(self) -> None:
        """Compare every campaign with what it was; one that is new is only remembered."""
        campaigns = self._directory.campaigns
        for name, campaign in campaigns.items():
            state = (campaign.content, int(campaign.priority), campaign.templates)
            if self._seen.setdefault(name, state) != state:
                self._seen[name] = state
                self._forget(campaign)
        if len(self._seen) > len(campaigns):
            self._seen = {name: state for name, state in self._seen.items() if name in campaigns}
