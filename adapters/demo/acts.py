"""Every gate closed and opened once while its jobs wait; the judge sees who slips through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from adapters.demo.cast import (
    ACTS,
    GRACE_MS,
    NOTICE,
    OFFER,
    PLACES,
    Scene,
    notice,
    number_of,
    person,
    put_number,
    waba_of,
)

LOOK_EVERY_S: Final = 0.1
STAND_S: Final = GRACE_MS / 1_000 + 0.4  # a gate must stay closed for longer than the judge's grace
PATIENCE_S: Final = 60.0  # for an act of a sound engine on a busy machine
PATIENCE_CONVICTED_S: Final = 4.0  # when a rule is broken, an act may never reach its end
CROWD, RUSH = 40, 30
OVER_THE_BURST: Final = 50  # Meta takes 45
CLOCKS_DIFFER_MS: Final = 100  # ours from the judge's


async def play_gates(scene: Scene) -> list[str]:
    """Play all acts at once; return those that did not reach their end, best none.

    An act whose rule was seen broken is not played on: it has shown what it can show.
    """
    acts = Acts(scene)
    tasks = {name: asyncio.create_task(acts.play(name), name=name) for name in ACTS}
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    try:
        while any(not task.done() for task in tasks.values()):
            broken = set((await scene.judge("report"))["violations"])
            patience_s = PATIENCE_CONVICTED_S if broken else PATIENCE_S
            is_late = loop.time() - began_s > patience_s
            for name, task in tasks.items():
                if ACTS[name] in broken or is_late:
                    task.cancel()
            await asyncio.wait(tasks.values(), timeout=LOOK_EVERY_S)
    finally:
        for task in tasks.values():
            task.cancel()
        ends = await asyncio.gather(*tasks.values(), return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
    return [name for name, task in tasks.items() if task.cancelled()]


class Acts:
    """The acts by name; each leaves its gate open behind it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    async def play(self, name: str) -> None:
        """Play one act."""
        act: Callable[[], Awaitable[None]] = getattr(self, f"_play_{name}")
        await act()

    # -- how much and how fast -------------------------------------------------------------------

    async def _play_quota(self) -> None:
        """Ask for more people than there are places: the rest waits."""
        await self._campaign("quota", rows=PLACES + 3)
        await self._move("quota", "start")
        await self._until_counts("quota", lambda counts: counts["waiting"].get("quota") == 3)  # noqa: PLR2004

    async def _play_rate(self) -> None:
        """Ask for a crowd at once: it leaves in file."""
        people = [person("rate", count) for count in range(RUSH)]
        jobs = await self._send("rate", people)
        await self._until_state(jobs[-1], "accepted")

    async def _play_pair(self) -> None:
        """Say too much to one person at once: the rest waits for minutes, longer than the play."""
        jobs = await self._send("pair", [person("pair")] * OVER_THE_BURST)
        await self._until_gate(jobs[-1], "pair")

    async def _play_throttle(self) -> None:
        """Meet a throttle of the account, whose end Meta tells."""
        first = await self._send("throttle", [person("throttle")])
        await self._until_gate(first[0], "account")
        more = await self._send("throttle", [person("throttle", count) for count in range(1, 4)])
        for job in first + more:
            await self._until_state(job, "accepted")

    async def _play_retry(self) -> None:
        """Meet a refusal for now: the same message goes again after the wait."""
        jobs = await self._send("retry", [person("retry")])
        await self._until_state(jobs[0], "accepted")

    # -- who may send, and what ------------------------------------------------------------------

    async def _play_account(self) -> None:
        """Have Meta block the account for its policy, and let it go."""
        account = f"accounts/{waba_of('account')}"
        await self._scene.control("POST", account, {"code": 131031})
        jobs = await self._send("account", [person("account", count) for count in range(3)])
        await self._until_gate(jobs[-1], "account")
        await self._stand()
        await self._scene.control("POST", account, {"code": 0})
        await self._until_state(jobs[-1], "accepted")

    async def _play_sender(self) -> None:
        """Disconnect a number; connected again, its operator opens it."""
        sender = f"senders/{number_of('sender')}"
        await self._scene.control("POST", sender, {"status": "DISCONNECTED"})
        jobs = await self._send("sender", [person("sender", count) for count in range(3)])
        await self._until_gate(jobs[-1], "sender")
        await self._stand()
        await self._scene.control("POST", sender, {"status": "CONNECTED"})
        await put_number(self._scene, "sender")
        await self._until_state(jobs[-1], "accepted")

    async def _play_template(self) -> None:
        """Have Meta pause a template in the middle of a crowd, and approve it again."""
        template = f"templates/{waba_of('template')}/{NOTICE}/en_US"
        people = [person("template", count) for count in range(CROWD)]
        jobs = await self._send("template", people)
        await self._until_state(jobs[2], "accepted")
        await self._scene.control("POST", template, {"status": "PAUSED"})
        await self._until_gate(jobs[-1], "template")
        await self._stand()
        await self._scene.control("POST", template, {"status": "APPROVED"})
        await self._until_state(jobs[-1], "accepted")

    # -- to whom ---------------------------------------------------------------------------------

    async def _play_window(self) -> None:
        """Write free-form to a stranger, which is refused, and to a person who wrote."""
        stranger, guest = person("window"), person("window", 1)
        text = {"type": "text", "text": {"body": "How are you?"}}
        refused = await self._send("window", [stranger], message=text)
        await self._until_state(refused[0], "failed")
        inbound = {"phone_number_id": number_of("window"), "from": guest}
        await self._scene.control("POST", "inbound", inbound)
        is_open = False
        while not is_open:  # until the webhook is folded
            jobs = await self._send("window", [guest], message=text)
            is_open = await self._until_ended(jobs[0]) == "accepted"

    async def _play_suppression(self) -> None:
        """Offer something to a person who wants no more marketing."""
        preference = {
            "phone_number_id": number_of("suppression"),
            "recipient": person("suppression"),
        }
        await self._scene.control("POST", "preferences", preference)
        path = f"/v1/suppressions/{person('suppression')}"
        await self._until(
            lambda: self._scene.call("GET", path), lambda shown: bool(shown["suppressions"])
        )
        await self._stand()
        offer = notice("Ada", OFFER)
        jobs = await self._send("suppression", [person("suppression")], message=offer)
        await self._until_state(jobs[0], "suppressed")

    # -- when ------------------------------------------------------------------------------------

    async def _play_schedule(self) -> None:
        """Let a job wait for its time, and a campaign start after its own."""
        await self._campaign("schedule", rows=1)
        soon_ms = self._scene.clock.now_ms() + round(STAND_S * 1_000)
        ends = {"expires_at": self._moment(soon_ms)}  # by a change, which may come after it
        await self._scene.call("PATCH", "/v1/campaigns/gates-schedule", ends)
        early, late = person("schedule", 100), person("schedule")
        until_ms = soon_ms - CLOCKS_DIFFER_MS
        wish = {"rule": "schedule", "recipients": [early], "until_ms": until_ms}
        await self._scene.control("POST", "wishes", wish)
        jobs = await self._send("schedule", [early], not_before=self._moment(soon_ms))
        wish = {"rule": "schedule", "recipients": [late], "from_ms": soon_ms}
        await self._scene.control("POST", "wishes", wish)
        await self._until_state(jobs[0], "accepted")
        await self._move("schedule", "start")
        await self._until_counts("schedule", lambda counts: counts["expired"] == 1)

    async def _play_source(self) -> None:
        """Fill a campaign before its start, and pause it on its way."""
        wish = {"rule": "source", "phone_number_id": number_of("source"), "id": "gates-draft"}
        await self._scene.control("POST", "wishes", wish)
        await self._campaign("source", rows=CROWD)
        await self._stand()
        await self._end_wish("gates-draft")
        await self._move("source", "start")
        await self._until_counts("source", lambda counts: counts["accepted"] > 1)
        await self._move("source", "pause")
        await self._scene.control("POST", "wishes", wish | {"id": "gates-pause"})
        await self._until_counts("source", lambda counts: not counts["in_flight"])
        await self._stand()
        await self._end_wish("gates-pause")
        await self._move("source", "resume")
        await self._until_counts("source", lambda counts: counts["accepted"] == CROWD)

    # -- what the acts do ------------------------------------------------------------------------

    async def _send(
        self, act: str, people: list[str], message: dict[str, Any] | None = None, **more: object
    ) -> list[str]:
        """Ask for one message to each; return the jobs' ids."""
        bodies = [
            {
                "sender": number_of(act),
                "to": to,
                "message": message or notice(f"number {count}"),
                "source": {"kind": "journey", "id": f"gates-{act}"},
                **more,
            }
            for count, to in enumerate(people)
        ]
        answer = await self._scene.call("POST", "/v1/jobs", bodies)
        return [result["id"] for result in answer["results"]]

    async def _campaign(self, act: str, rows: int, **more: object) -> None:
        """Create a campaign and give it its recipients."""
        name = f"gates-{act}"
        body = {
            "id": name,
            "name": name,
            "senders": [number_of(act)],
            "message": notice("{{name}}"),
        }
        await self._scene.call("POST", "/v1/campaigns", body | more)
        lines = [f"{person(act, count)},number {count}" for count in range(rows)]
        await self._scene.upload(name, "\n".join(["to,name", *lines]).encode())

    async def _move(self, act: str, action: str) -> None:
        await self._scene.call("POST", f"/v1/campaigns/gates-{act}/{action}")

    async def _end_wish(self, wish: str) -> None:
        await self._scene.control("DELETE", f"wishes/{wish}")

    async def _stand(self) -> None:
        """Let a closed gate stand until no send can be excused any more."""
        await asyncio.sleep(STAND_S)

    async def _until_state(self, job: str, state: str) -> None:
        await self._until(lambda: self._job(job), lambda view: view["state"] == state)

    async def _until_gate(self, job: str, gate: str) -> None:
        await self._until(
            lambda: self._job(job),
            lambda view: any(each["gate"] == gate for each in view["waiting_for"]),
        )

    async def _until_ended(self, job: str) -> str:
        ends = ("accepted", "failed")
        view = await self._until(lambda: self._job(job), lambda view: view["state"] in ends)
        return str(view["state"])

    async def _until_counts(self, act: str, holds: Callable[[dict[str, Any]], bool]) -> None:
        path = f"/v1/campaigns/gates-{act}"
        await self._until(
            lambda: self._scene.call("GET", path), lambda status: holds(status["counts"])
        )

    async def _job(self, job: str) -> dict[str, Any]:
        return await self._scene.call("GET", f"/v1/jobs/{job}")

    @staticmethod
    async def _until(
        look: Callable[[], Awaitable[dict[str, Any]]], holds: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """Look until it holds; who plays the act has the patience."""
        while True:
            found = await look()
            if holds(found):
                return found
            await asyncio.sleep(LOOK_EVERY_S)

    @staticmethod
    def _moment(at_ms: int) -> str:
        return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat()
