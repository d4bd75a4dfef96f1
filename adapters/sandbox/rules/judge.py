"""The judge: holds one send against every rule, in Meta's stead, and keeps the tally."""

from __future__ import annotations

from collections.abc import Callable

from adapters.sandbox.codes import Refusal
from adapters.sandbox.messages import unknown_template
from adapters.sandbox.rules.book import RULES, Book
from adapters.sandbox.rules.pace import PairPace, RetryPace, Throughput
from adapters.sandbox.rules.quota import QuotaWindow
from adapters.sandbox.rules.wishes import Wishes
from adapters.sandbox.world import LiveWorld, Notice, Number, Send, refusal_of

PAIR_CODE = 131056
OPPOSED_CODE = 131050
CAPPED_CODE = 131049
Identity = Callable[[Send], int]


def same_words(send: Send) -> int:
    """Return what makes two sends the same: portfolio, template, recipient and parameters."""
    return hash(
        (send.number.portfolio_id, send.template_name, send.language, send.recipient, send.values)
    )


class Judge:
    """Weighs sends. `weigh` and then `accept` must run without anything else in between."""

    def __init__(self, world: LiveWorld, identity: Identity) -> None:
        rules = world.plan.rules
        self.world = world
        self.rules = rules
        self.book = Book()
        self.wishes = Wishes()
        self.duplicates = 0
        self.quotas: dict[str, QuotaWindow] = {}
        self.throughputs = {number_id: Throughput() for number_id in world.numbers}
        self.lenient_until_ms: dict[str, int] = {}
        self._pairs = {number_id: self._pair_pace() for number_id in world.numbers}
        self._retries = RetryPace()
        self._seen: set[int] = set()
        self._identity = identity
        self._modes: dict[str, str] = {name: getattr(rules, name) for name in RULES}
        self._has_country_rules = any(a.blocked_prefixes for a in world.accounts.values())
        for portfolio in world.plan.portfolios:
            if portfolio.scope == "portfolio":
                self.quotas[portfolio.id] = QuotaWindow(portfolio.limit, world.plan.window_ms)
        for number in world.numbers.values():
            portfolio = world.portfolios[number.portfolio_id]
            if portfolio.scope == "phone_number":
                self.quotas[number.id] = QuotaWindow(portfolio.limit, world.plan.window_ms)

    def _pair_pace(self) -> PairPace:
        """Return the pair judge of one number."""
        rules = self.rules
        return PairPace(
            rules.pair_every_ms,
            rules.pair_burst,
            rules.pair_slack_ms,
            is_bucket=rules.pair_model == "bucket",
        )

    def quota_of(self, number: Number) -> QuotaWindow:
        """Return the window a number's sends are counted in."""
        quota = self.quotas.get(number.portfolio_id)
        return quota if quota is not None else self.quotas[number.id]

    def quotas_of(self, portfolio_id: str) -> list[QuotaWindow]:
        """Return a portfolio's window, or those of its numbers."""
        if portfolio_id in self.quotas:
            return [self.quotas[portfolio_id]]
        numbers = self.world.numbers.values()
        return [self.quotas[n.id] for n in numbers if n.portfolio_id == portfolio_id]

    def arrive(self, number: Number, at_ms: int) -> Refusal | None:
        """Count one arrival for the throughput; return 130429 when it is over the level."""
        limit = number.throughput_mps
        allowed = max(limit, int(limit * self.rules.rate_tolerance))
        if self.throughputs[number.id].admits(at_ms, allowed) or self._modes["rate"] == "off":
            return None
        if at_ms > self.lenient_until_ms.get(number.id, 0):
            self.book.convict(
                "rate", at_ms, phone_number_id=number.id, details=f"more than {allowed} in 1 s"
            )
        if self._modes["rate"] == "enforce":
            return Refusal(130429, "Cloud API message throughput has been reached.")
        return None

    def weigh(self, send: Send, at_ms: int) -> Refusal | None:
        """Return the first refusal an enforced rule has for this send, recording what it breaks."""
        if self.wishes.standing:
            self._weigh_wishes(send, at_ms)
        return (
            self._weigh_account(send, at_ms)
            or self._weigh_sender(send, at_ms)
            or self._weigh_template(send, at_ms)
            or self._weigh_recipient(send, at_ms)
            or self._weigh_pace(send, at_ms)
            or self._weigh_quota(send, at_ms)
        )

    def accept(self, send: Send, at_ms: int) -> int | None:
        """Count an accepted send in every ledger; return the recipient's mark before, if any."""
        message = self._identity(send)
        if message in self._seen:
            self.duplicates += 1
            if self.rules.forbid_duplicates and self._modes["duplicate"] != "off":
                self._convict("duplicate", send, at_ms, "accepted twice")
        self._seen.add(message)
        self._pairs[send.number.id].count(send.recipient, at_ms)
        if self._retries.refused:
            self._retries.accept(message)
        if not is_counted(send):
            return None
        quota = self.quota_of(send.number)
        lawful_limit = quota.lawful_limit(at_ms, self.rules.grace_ms)
        return quota.count(send.recipient, at_ms, lawful_limit)

    def withdraw(self, send: Send, accepted_at_ms: int, former_ms: int | None, at_ms: int) -> None:
        """Uncount a message that failed after it was accepted: it was never delivered."""
        if is_counted(send):
            quota = self.quota_of(send.number)
            quota.withdraw(send.recipient, accepted_at_ms, former_ms, at_ms)

    def notice_of(self, send: Send, code: int) -> Notice | None:
        """Return the notice that a `failed` status of this code makes known, if any."""
        opposition = self.world.opposed.get((send.number.portfolio_id, send.recipient))
        notices = [
            send.number.account.notice,
            send.number.notice,
            send.template.notice if send.template else None,
            opposition.notice if opposition else None,
            *send.number.account.country_notices.values(),
        ]
        return next((each for each in notices if each is not None and each.code == code), None)

    def deliver(self, send: Send, at_ms: int) -> None:
        """Move the mark of a delivered send, where the scenario counts deliveries."""
        if self.rules.delivery_moves_mark and is_counted(send):
            self.quota_of(send.number).move(send.recipient, at_ms)

    def note_injected(self, send: Send, code: int, at_ms: int) -> None:
        """Let an error the scenario injected have its effect on what is lawful from now on.

        After 131056 the same message has to wait; after 131050 the recipient takes no marketing,
        after 131049 none for a day (M/templates/marketing-templates/per-user-limits).
        """
        if code == PAIR_CODE:
            self._retries.refuse(self._identity(send), at_ms)
        elif code in {OPPOSED_CODE, CAPPED_CODE}:
            until_ms = at_ms + self.rules.marketing_wait_ms if code == CAPPED_CODE else None
            notice = Notice(code, until_ms)
            self.world.oppose(send.number.portfolio_id, send.recipient, notice, at_ms)

    def _weigh_wishes(self, send: Send, at_ms: int) -> None:
        """Record the client-side wishes this send breaks; Meta has no answer for them."""
        for wish in self.wishes.broken_by(send, at_ms):
            if self._modes[wish.rule] != "off":
                self._convict(wish.rule, send, at_ms, wish.id)

    def _weigh_account(self, send: Send, at_ms: int) -> Refusal | None:
        """Hold the send against its account's throttles and blocks."""
        account = send.number.account
        if account.notice is None:
            return None
        if not account.notice.stands(at_ms):
            account.notice = None
            return None
        return self._heed("account", account.notice, send, at_ms)

    def _weigh_sender(self, send: Send, at_ms: int) -> Refusal | None:
        """Hold the send against its number's state; a RESTRICTED number may still reply."""
        notice = send.number.notice
        if notice is None or (send.number.status == "RESTRICTED" and send.is_open):
            return None
        return self._heed("sender", notice, send, at_ms)

    def _weigh_template(self, send: Send, at_ms: int) -> Refusal | None:
        """Hold the send against its template's status."""
        if send.kind != "template":
            return None
        if send.template is None:
            refusal = unknown_template(send, self.world, at_ms)
            key = (send.number.waba_id, send.template_name, send.language)
            notice = self.world.missing_notice(key)
            heeded = self._heed("template", notice, send, at_ms)
            if heeded is None:  # whatever the mode, what does not exist cannot be sent
                notice.tell(at_ms)
            return refusal
        if send.template.notice is None:
            return None
        return self._heed("template", send.template.notice, send, at_ms)

    def _weigh_recipient(self, send: Send, at_ms: int) -> Refusal | None:
        """Hold the send against the recipient's wishes, country, and customer service window."""
        if self._has_country_rules:
            account = send.number.account
            for prefix in account.blocked_prefixes:
                if send.recipient.startswith(prefix):
                    notice = account.country_notices.setdefault(prefix, Notice(130497))
                    if (refusal := self._heed("country", notice, send, at_ms)) is not None:
                        return refusal
        if self.world.opposed and send.category == "marketing":
            opposition = self.world.opposed.get((send.number.portfolio_id, send.recipient))
            if opposition is not None and opposition.notice.stands(at_ms):
                refusal = self._heed("suppression", opposition.notice, send, at_ms)
                if refusal is not None:
                    return refusal
        if send.kind != "template" and not send.is_open and self._modes["window"] != "off":
            self._convict("window", send, at_ms, "free-form outside the customer service window")
            if self._modes["window"] == "enforce":
                return Refusal(131047, "More than 24 hours have passed since the last reply.")
        return None

    def _weigh_pace(self, send: Send, at_ms: int) -> Refusal | None:
        """Hold the send against the pair rate and the wait after its last refusal."""
        rule = ""
        if self._retries.refused and not self._retries.admits(self._identity(send), at_ms):
            rule = "retry"
        elif not self._pairs[send.number.id].admits(send.recipient, at_ms):
            rule = "pair"
        if not rule or self._modes[rule] == "off":
            return None
        self._convict(rule, send, at_ms, "too soon to the same recipient")
        if self._modes[rule] != "enforce":
            return None
        self._retries.refuse(self._identity(send), at_ms)
        return Refusal(PAIR_CODE, "Too many messages sent from this number to the same recipient.")

    def _weigh_quota(self, send: Send, at_ms: int) -> Refusal | None:
        """Hold the send against the messaging limit; 131048 is what senders report.

        https://help.wanotifier.com/en/article/fix-error-131048-spam-rate-limit-hit-he92ak
        """
        if self._modes["quota"] == "off" or not is_counted(send):
            return None
        quota = self.quota_of(send.number)
        if not quota.is_full(at_ms) or quota.holds(send.recipient, at_ms):
            return None
        if quota.is_over_lawful(at_ms, self.rules.grace_ms):
            details = f"{quota.used(at_ms)} of {quota.limit} used"
            self._convict("quota", send, at_ms, details)
        if self._modes["quota"] == "enforce":
            quota.tell(at_ms)
            return Refusal(131048, "The messaging limit of the portfolio has been reached.")
        return None

    def _heed(self, rule: str, notice: Notice, send: Send, at_ms: int) -> Refusal | None:
        """Return the refusal a standing notice gives, convicting who had been told long enough."""
        mode = self._modes[rule]
        if mode == "off":
            return None
        rules = self.rules
        if notice.is_broken_by(at_ms, rules.grace_ms, rules.probe_every_ms):
            self._convict(rule, send, at_ms, f"code {notice.code} stands")
        if mode != "enforce":
            return None
        if notice.code not in rules.late_codes:
            notice.tell(at_ms)
        return refusal_of(notice, at_ms)

    def _convict(self, rule: str, send: Send, at_ms: int, details: str) -> None:
        """Record that this send breaks the rule."""
        self.book.convict(
            rule,
            at_ms,
            phone_number_id=send.number.id,
            recipient=send.recipient,
            template=send.template_name,
            details=details,
        )


def is_counted(send: Send) -> bool:
    """Return whether the send counts: a template outside the customer service window."""
    return send.kind == "template" and not send.is_open
