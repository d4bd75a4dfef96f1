"""The postman: batches what Meta would post, signs it, and posts it again until it gets a 200."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import aiohttp

from adapters.sandbox.scenario import Webhook
from adapters.sandbox.webhooks import payloads
from adapters.sandbox.webhooks.payloads import Change, Status
from adapters.sandbox.world import Number

BACKOFF_MAX_MS = 5_000
Told = Callable[[int], None]
Item = tuple[Number, Status] | tuple[Change, Told | None]


class Postman:
    """Posts webhooks to one address; without an address everything is dropped at once."""

    def __init__(self, plan: Webhook, now_ms: Callable[[], int]) -> None:
        self.plan = plan
        self.posts_sent = 0
        self.posts_failed = 0
        self.posts_repeated = 0
        self.updates_sent = 0
        self._now_ms = now_ms
        self._secret = plan.app_secret.encode()
        self._slots: dict[int, list[Item]] = {}
        self._next_slot = 0
        self._posts: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(plan.posts_max)
        self._idle = asyncio.Event()
        self._idle.set()
        self._rounds: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def is_on(self) -> bool:
        """Return whether anything is posted at all."""
        return self._session is not None

    async def start(self) -> None:
        """Begin the rounds, if there is an address to post to."""
        if not self.plan.url:
            return
        timeout = aiohttp.ClientTimeout(total=self.plan.timeout_ms / 1_000)
        self._session = aiohttp.ClientSession(timeout=timeout)
        self._next_slot = self._slot(0)
        self._rounds = asyncio.create_task(self._make_rounds())

    async def stop(self) -> None:
        """End the rounds; what was not posted yet is lost."""
        tasks = [*self._posts, *([self._rounds] if self._rounds else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._slots.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._idle.set()

    async def verify(self, token: str, challenge: str) -> bool:
        """Return whether the receiver answers the handshake: M/webhooks/create-webhook-endpoint."""
        if self._session is None:
            return False
        query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token}
        try:
            async with self._session.get(self.plan.url, params=query) as answer:
                return answer.ok and await answer.text() == challenge
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def drained(self) -> None:
        """Wait until all that is due, now or later, was posted or given up."""
        await self._idle.wait()

    def post_status(self, number: Number, status: Status, after_ms: int) -> None:
        """Post a status update `after_ms` from now, together with what else is due then."""
        if self._session is not None:
            self._put((number, status), after_ms)

    def post_change(self, change: Change, told: Told | None = None, after_ms: int = 0) -> None:
        """Post an event; `told` is called with the moment its receiver answered 200."""
        if self._session is not None:
            self._put((change, told), after_ms)

    async def post_now(self, number: Number, status: Status) -> None:
        """Post one status update alone and wait for the answer."""
        if self._session is not None:
            await self._post([(number, status)])

    def _slot(self, after_ms: int) -> int:
        """Return the number of the round that `after_ms` from now falls into."""
        loop_ms = asyncio.get_running_loop().time() * 1_000
        return int(loop_ms + after_ms) // self.plan.flush_ms

    def _put(self, item: Item, after_ms: int) -> None:
        """Lay an item into the round it is due in."""
        slot = max(self._slot(after_ms), self._next_slot)
        items = self._slots.get(slot)
        if items is None:
            items = self._slots[slot] = []
            self._idle.clear()
        items.append(item)

    async def _make_rounds(self) -> None:
        """Post what is due, round after round."""
        while True:
            await asyncio.sleep(self.plan.flush_ms / 1_000)
            current = self._slot(0)
            due: list[Item] = []
            while self._next_slot < current:
                due += self._slots.pop(self._next_slot, ())
                self._next_slot += 1
            for start in range(0, len(due), self.plan.batch_max):
                task = asyncio.create_task(self._post(due[start : start + self.plan.batch_max]))
                self._posts.add(task)
                task.add_done_callback(self._finished)
            self._rest()

    def _finished(self, task: asyncio.Task[None]) -> None:
        """Let go of a post that ended."""
        self._posts.discard(task)
        self._rest()

    def _rest(self) -> None:
        """Note when nothing is left to do."""
        if not self._slots and not self._posts:
            self._idle.set()

    async def _post(self, items: Sequence[Item]) -> None:
        """Post one batch, again and again with growing pauses, at most `retries_max` times."""
        changes, tellers = sorted_out(items)
        body = payloads.envelope(changes)
        for attempt in range(self.plan.retries_max + 1):
            if attempt:
                self.posts_repeated += 1
                pause_ms = min(self.plan.retry_first_ms * 2 ** (attempt - 1), BACKOFF_MAX_MS)
                await asyncio.sleep(pause_ms / 1_000)
            async with self._room:
                is_delivered = await self._deliver(body)
            if is_delivered:
                self.posts_sent += 1
                self.updates_sent += len(items)
                for tell in tellers:
                    tell(self._now_ms())
                return
        self.posts_failed += 1

    async def _deliver(self, body: bytes) -> bool:
        """Return whether the receiver answered 200 to the signed body."""
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": payloads.signature(self._secret, body),
        }
        if self._session is None:
            return False
        try:
            async with self._session.post(self.plan.url, data=body, headers=headers) as answer:
                return answer.status == 200  # noqa: PLR2004 (anything else is retried: M/webhooks/overview)
        except (aiohttp.ClientError, TimeoutError):
            return False


def sorted_out(items: Sequence[Item]) -> tuple[list[Change], list[Told]]:
    """Return the items as changes, statuses joined by number, and whom to tell of success."""
    updates: dict[str, tuple[Number, list[Status]]] = {}
    changes: list[Change] = []
    tellers: list[Told] = []
    for subject, content in items:
        if isinstance(subject, Change):
            changes.append(subject)
            if callable(content):
                tellers.append(content)
        elif isinstance(content, Status):
            entry = updates.get(subject.id)
            if entry is None:
                entry = updates[subject.id] = (subject, [])
            entry[1].append(content)
    changes += [payloads.statuses(number, batch) for number, batch in updates.values()]
    return changes, tellers
