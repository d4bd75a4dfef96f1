"""The stage: one run of a world, where a send is read, judged, accepted and announced."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable

import msgspec

from adapters.sandbox.codes import ACCOUNT_CODES, Refusal, failure
from adapters.sandbox.decay import Decaying
from adapters.sandbox.faults import Faults, Lottery
from adapters.sandbox.messages import SendBody, read_body, read_send
from adapters.sandbox.report import Report, Tally, report_of
from adapters.sandbox.rules.judge import Identity, Judge
from adapters.sandbox.scenario import Fault, Webhook, World
from adapters.sandbox.webhooks import payloads
from adapters.sandbox.webhooks.payloads import Status
from adapters.sandbox.webhooks.postman import Postman
from adapters.sandbox.webhooks.receipts import Receipts
from adapters.sandbox.world import Account, LiveWorld, Notice, Number, Send, Template, usage_headers

JSON = "application/json"
HELD_CODE = 132015  # a held message that is dropped: M/templates/template-pacing


class ErrorPart(msgspec.Struct):
    """The inner part of Meta's error body."""

    code: int


class ErrorBody(msgspec.Struct):
    """Meta's error body, as far as a caller in the same process asks for it."""

    error: ErrorPart


class Answer(msgspec.Struct, gc=False):
    """What is answered to one send, and what happens on the way."""

    status: int
    body: bytes
    headers: dict[str, str] | None = None
    content_type: str = JSON
    send: Send | None = None
    faults: list[Fault] = []
    first_status: Status | None = None

    @property
    def code(self) -> int:
        """Return Meta's error code, 0 when there is none."""
        if self.status < 400 or self.content_type != JSON:  # noqa: PLR2004 (an error status)
            return 0
        return msgspec.json.decode(self.body, type=ErrorBody).error.code


class Stage:
    """Everything that a reset throws away."""

    def __init__(
        self, plan: World, now_ms: Callable[[], int], rng: random.Random, identity: Identity
    ) -> None:
        self.plan = plan
        self.now_ms = now_ms
        self.world = LiveWorld(plan)
        self.judge = Judge(self.world, identity)
        self.lottery = Lottery(rng)
        self.faults = Faults(plan.faults, self.lottery, now_ms())
        self.postman = Postman(plan.webhook, now_ms)
        self.tally = Tally(plan.keep_messages_max)
        self.inbound_count = 0
        self.handles: set[str] = set()  # of samples that were uploaded
        self._ended = asyncio.Event()
        self._wamid_prefix = f"wamid.HBgL{rng.getrandbits(48):012X}"
        self._wamid_count = 0
        self._timers: set[asyncio.TimerHandle] = set()
        self.reads: list[tuple[str, str, bool]] = []  # number, message that was read, typing
        self.receipts = self._receipts()
        self._decaying = Decaying(plan.decays, self) if plan.decays else None

    def _receipts(self) -> Receipts:
        """Return the receipts of the plan's webhooks."""
        return Receipts(
            self.plan,
            judge=self.judge,
            lottery=self.lottery,
            postman=self.postman,
            now_ms=self.now_ms,
            later=self.later,
        )

    async def point_webhooks(self, webhook: Webhook) -> None:
        """Post to another address, or otherwise, from now on; what was due before is lost."""
        await self.postman.stop()
        self.plan = msgspec.structs.replace(self.plan, webhook=webhook)
        self.postman = Postman(webhook, self.now_ms)
        self.receipts = self._receipts()
        await self.postman.start()

    def report(self) -> Report:
        """Return the verdict so far."""
        return report_of(self.judge, self.tally, self.postman, self.faults.struck, self.now_ms())

    async def pause(self, length_ms: int) -> None:
        """Wait as long as a slow answer takes, or until the stage is stopped."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), length_ms / 1_000)

    def hurry(self) -> None:
        """End every pause now."""
        self._ended.set()

    async def stop(self) -> None:
        """End all that would still happen."""
        self.hurry()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        await self.postman.stop()

    def later(self, after_ms: int, action: Callable[[], None]) -> None:
        """Do something `after_ms` from now, unless the stage is stopped before."""

        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(after_ms / 1_000, act)
        self._timers.add(timer)

    def take(self, number: Number, raw: bytes, *, is_marketing_only: bool = False) -> Answer:
        """Read, judge and answer one authorised send; the answer names faults of the road."""
        at_ms = self.now_ms()
        body = read_body(raw)
        if isinstance(body, Refusal):
            return self.refuse(body, is_invalid=True)
        if body.status:
            return self._note_read(number, body)
        if (refusal := self.judge.arrive(number, at_ms)) is not None:
            return self.refuse(refusal)
        send = read_send(body, number, self.world, at_ms)
        if isinstance(send, Refusal):
            return self.refuse(send, is_invalid=True)
        if is_marketing_only and send.category != "marketing":
            return self.refuse(Refusal(131055), is_invalid=True)
        return self._judge(send, at_ms)

    def _note_read(self, number: Number, body: SendBody) -> Answer:
        """Note that a message of a person was read, and whether an answer is being typed."""
        if body.status != "read" or not body.message_id.startswith("wamid."):
            return self.refuse(Refusal(100, "Invalid status or message_id."), is_invalid=True)
        self.reads.append((number.id, body.message_id, body.typing_indicator is not None))
        return Answer(200, b'{"success":true}')

    def _judge(self, send: Send, at_ms: int) -> Answer:
        """Hold a well-formed send against the rules, then let go wrong what shall."""
        if (refusal := self.judge.weigh(send, at_ms)) is not None:
            if refusal.code in self.plan.rules.late_codes:
                return self._fail_later(send, refusal.code, at_ms)
            return self.refuse(refusal)
        return self._take_faulty(send, self.faults.strike(send, at_ms), at_ms)

    def refuse(self, refusal: Refusal, *, is_invalid: bool = False) -> Answer:
        """Return Meta's answer of a refusal, counted."""
        self.tally.errors[refusal.code] += 1
        self.tally.invalid += is_invalid
        trace = f"A{self.tally.errors.total():X}"
        return Answer(refusal.status, refusal.body(trace), refusal.headers)

    def _take_faulty(self, send: Send, faults: list[Fault], at_ms: int) -> Answer:
        """Answer a send that the rules let pass, with whatever goes wrong."""
        late: Fault | None = None
        held: Fault | None = None
        for fault in faults:
            if fault.kind == "error":
                return self._inject(send, fault, at_ms)
            if fault.kind == "server_error" and not fault.is_accepted:
                return self._server_error(fault)
            if fault.kind == "late_error":
                late = fault
            elif fault.kind == "hold":
                held = fault
        answer = self._accept(send, at_ms, late, held)
        answer.faults = faults
        for fault in faults:
            if fault.kind == "server_error":
                broken = self._server_error(fault)
                answer.status, answer.body = broken.status, broken.body
                answer.content_type = broken.content_type
        return answer

    def _inject(self, send: Send, fault: Fault, at_ms: int) -> Answer:
        """Answer a code the scenario wants, and keep the account blocked if it says so."""
        self.judge.note_injected(send, fault.code, at_ms)
        if fault.code in ACCOUNT_CODES and fault.lasts_ms:
            self.block(send.number.account, fault.code, fault.lasts_ms, is_told=True)
        elif (notice := self.judge.notice_of(send, fault.code)) is not None:
            notice.tell(at_ms)
        headers = None
        if fault.retry_after_s is not None:
            headers = {"Retry-After": str(fault.retry_after_s)}
        return self.refuse(Refusal(fault.code, http=fault.status, headers=headers))

    def _server_error(self, fault: Fault) -> Answer:
        """Return the page a broken gateway shows: no JSON, no code."""
        status = fault.status or 502
        self.tally.errors[status] += 1
        page = b"<html><body><h1>Sorry, something went wrong.</h1></body></html>"
        return Answer(status, page, content_type="text/html")

    def block(
        self, account: Account, code: int, lasts_ms: int | None, *, is_told: bool = False
    ) -> Notice:
        """Hold an account back; code 4 is the app's own limit and holds every account back."""
        at_ms = self.now_ms()
        until_ms = None if lasts_ms is None else at_ms + lasts_ms
        notice = Notice(code, until_ms, may_be_probed=until_ms is None)
        if is_told:
            notice.tell(at_ms)
        accounts = self.world.accounts.values() if code == 4 else [account]  # noqa: PLR2004 (the app)
        for each in accounts:
            each.notice = notice
        return notice

    def _wamid(self) -> str:
        """Return an id no other message of this run has."""
        self._wamid_count += 1
        return f"{self._wamid_prefix}{self._wamid_count:010X}="

    def _accept(
        self, send: Send, at_ms: int, late: Fault | None = None, held: Fault | None = None
    ) -> Answer:
        """Count, answer and announce an accepted send."""
        wamid = self._wamid()
        former_ms = self.judge.accept(send, at_ms)
        self.tally.accept(send, wamid, at_ms)
        if self._decaying is not None:
            self._decaying.note(send)
        first: Status | None = None
        if late is not None:
            self.judge.note_injected(send, late.code, at_ms)
            self.later(
                late.delay_ms,
                lambda: self._fail(send, wamid, late.code, at_ms, former_ms),
            )
        elif held is not None:
            self._hold(send, wamid, held, at_ms, former_ms)
        elif self.postman.is_on or self.plan.rules.delivery_moves_mark:
            first = self.receipts.announce(send, wamid, at_ms)
        return Answer(
            200,
            _accepted_body(send, wamid, is_held=held is not None),
            send=send,
            headers=self._usage_headers(send),
            first_status=first,
        )

    def _usage_headers(self, send: Send) -> dict[str, str] | None:
        """Return the usage headers of an ordinary answer, where the scenario wants them."""
        if not self.plan.has_usage_headers:
            return None
        return usage_headers(send.number.waba_id, 1)

    def _fail_later(self, send: Send, code: int, at_ms: int) -> Answer:
        """Answer 200 to a send that an enforced rule lets fail by webhook; nothing is counted."""
        wamid = self._wamid()
        self.tally.accept(send, wamid, at_ms)
        self._post_failure(send, wamid, code)
        return Answer(200, _accepted_body(send, wamid), send=send)

    def _fail(
        self, send: Send, wamid: str, code: int, accepted_at_ms: int, former_ms: int | None
    ) -> None:
        """Let an accepted message fail after all."""
        self.judge.withdraw(send, accepted_at_ms, former_ms, self.now_ms())
        self._post_failure(send, wamid, code)

    def _post_failure(self, send: Send, wamid: str, code: int) -> None:
        """Post `failed`; once it arrived, the client knows what stands behind the code."""
        self.tally.failed_later[code] += 1
        status = self.receipts.status(send, wamid, "failed", self.now_ms())
        status.errors = [failure(code)]
        notice = self.judge.notice_of(send, code)
        change = payloads.statuses(send.number, [status])
        self.postman.post_change(change, notice.tell if notice else None)

    def _hold(self, send: Send, wamid: str, held: Fault, at_ms: int, former_ms: int | None) -> None:
        """Release a held message later, or drop it and pause its template.

        M/templates/template-pacing
        """

        def end() -> None:
            if not held.is_dropped:
                self.receipts.announce(send, wamid, self.now_ms())
                return
            template = send.template
            if template is not None and template.status == "APPROVED":
                self.change_template(template, "PAUSED")
            self._fail(send, wamid, HELD_CODE, at_ms, former_ms)

        self.later(held.delay_ms, end)

    def post(self, change: payloads.Change) -> None:
        """Post a webhook that nobody is judged by."""
        self.postman.post_change(change)

    def change_template(self, template: Template, status: str, **extra: object) -> None:
        """Give a template another status and post message_template_status_update."""
        template.assume(status)
        is_rejected = status == "REJECTED"
        template.rejected_reason = str(extra.get("reason", "NONE")) if is_rejected else "NONE"
        notice = template.notice
        change = payloads.template_status(template, self.now_ms(), status, extra)
        self.postman.post_change(change, notice.tell if notice else None)


def _accepted_body(send: Send, wamid: str, *, is_held: bool = False) -> bytes:
    """Return Meta's answer to an accepted message; only templates have a status.

    M/messages/send-messages
    """
    who = "user_id" if send.is_user_id else "wa_id"
    status = ""
    if send.kind == "template":
        word = "held_for_quality_assessment" if is_held else "accepted"
        status = f',"message_status":"{word}"'
    return (
        f'{{"messaging_product":"whatsapp","contacts":[{{"input":"{send.to}",'
        f'"{who}":"{send.recipient}"}}],"messages":[{{"id":"{wamid}"{status}}}]}}'
    ).encode()
