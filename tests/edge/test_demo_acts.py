"""The demo's acts convict nobody who is only slow: what they ask for has to be known by then."""

from typing import Any

import pytest

from adapters.clock import Clock
from adapters.demo import acts
from adapters.demo.acts import Acts


class SlowScene:
    """A house that folds a webhook only when it was asked for the third time."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.calls: list[str] = []

    async def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        del body
        self.calls.append(f"{method} {path.split('+', maxsplit=1)[0]}")
        is_known = self.calls.count("GET /v1/suppressions/") >= 3
        return {
            "suppressions": [{}] if is_known else [],
            "results": [{"id": "job"}],
            "state": "suppressed" if is_known else "accepted",
        }

    async def upload(self, campaign: str, rows: bytes) -> dict[str, Any]:
        raise NotImplementedError(campaign, rows)

    async def control(self, method: str, path: str, body: object = None) -> None:
        self.calls.append(f"{method} {path}")
        del body

    async def judge(self, what: str) -> Any:  # noqa: ANN401 (as Scene's)
        raise NotImplementedError(what)


async def test_nothing_is_offered_before_the_house_has_heard_of_the_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acts, "STAND_S", 0)
    monkeypatch.setattr(acts, "LOOK_EVERY_S", 0)
    scene = SlowScene()
    await Acts(scene).play("suppression")
    looks = ["GET /v1/suppressions/"] * 3
    assert scene.calls == ["POST preferences", *looks, "POST /v1/jobs", "GET /v1/jobs/job"]
