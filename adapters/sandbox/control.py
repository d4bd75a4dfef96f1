"""The control desk under /_sandbox/: what a test or a scenario changes while the world plays."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal

import msgspec

from adapters.sandbox.parameters import shape_of
from adapters.sandbox.rules.wishes import Wish
from adapters.sandbox.scenario import Fault, TemplateSpec
from adapters.sandbox.stage import Stage
from adapters.sandbox.webhooks import payloads
from adapters.sandbox.world import Account, Notice, Number, Template

DECISIONS = {"APPROVED": "APPROVED", "PENDING_REVIEW": "PENDING", "DECLINED": "REJECTED"}
"""What M/webhooks/reference/phone_number_name_update calls a display name's status."""
RESTRICTING_CODES = frozenset({368, 131031})  # announced by M/webhooks/reference/account_update


class UnknownNameError(LookupError):
    """A control call names something this world does not have; answered with 404."""


class TemplateChange(msgspec.Struct, forbid_unknown_fields=True):
    """What becomes of a template; `components` creates it, or edits it as Meta's manager would."""

    status: str | None = None
    quality: str | None = None
    category: Literal["MARKETING", "UTILITY", "AUTHENTICATION"] | None = None
    components: list[dict[str, object]] | None = None
    reason: str = "NONE"
    title: str = ""
    webhook: bool = True


class LimitChange(msgspec.Struct, forbid_unknown_fields=True):
    """A portfolio's other messaging limit; -1 is unlimited."""

    limit: int
    webhook: bool = True


class SenderChange(msgspec.Struct, forbid_unknown_fields=True):
    """What becomes of a number. Over a lowered throughput nobody is convicted for `learn_ms`."""

    status: str | None = None
    code: int | None = None
    throughput: int | None = None
    learn_ms: int = 10_000
    quality: str | None = None
    event: str | None = None
    name_status: str | None = None
    code_verification_status: str | None = None
    webhook: bool = True


class Inbound(msgspec.Struct, forbid_unknown_fields=True, rename={"sender": "from"}):
    """A user's message to a number; it opens the customer service window from its timestamp."""

    phone_number_id: str
    sender: str
    text: str = "Hello"
    message: dict[str, object] | None = None
    timestamp_ms: int | None = None
    webhook: bool = True


class Call(msgspec.Struct, forbid_unknown_fields=True, rename={"sender": "from"}):
    """A user's call to a number; it opens the customer service window as a message does."""

    phone_number_id: str
    sender: str
    timestamp_ms: int | None = None
    webhook: bool = True


class Preference(msgspec.Struct, forbid_unknown_fields=True):
    """A user's stop or resume of marketing messages, said to one number of the portfolio."""

    phone_number_id: str
    recipient: str
    value: Literal["stop", "resume"] = "stop"
    webhook: bool = True


class AccountChange(msgspec.Struct, forbid_unknown_fields=True):
    """A block of a WABA for `seconds` (None: open end), or code 0 to let it go."""

    code: int
    seconds: float | None = None
    webhook: bool = True


class FaultChange(msgspec.Struct, forbid_unknown_fields=True):
    """The faults that happen from now on, instead of those before; their times count from now."""

    faults: list[Fault] = []


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """Any other webhook, as given: its field and value are posted unchanged."""

    waba_id: str
    field: str
    value: dict[str, object]


class ControlDesk:
    """The control calls, in process; `stage` gives the run that is played now."""

    def __init__(self, stage: Callable[[], Stage]) -> None:
        self._stage = stage

    def change_template(
        self, waba: str, name: str, language: str, change: TemplateChange
    ) -> Template:
        """Change, create or (status DELETED) delete a template, and post what Meta would."""
        stage = self._stage()
        template = stage.world.templates.get((waba, name, language))
        if template is None:
            template = self._create(waba, name, language, change)
        elif change.components is not None:
            self._reword(template, change)
        if change.quality is not None:
            self._requalify(template, change)
        if change.category is not None and change.category != template.category:
            self._recategorise(template, change)
        if change.status is not None:
            extra: dict[str, object] = {"reason": change.reason}
            if change.title:
                extra["other_info"] = {"title": change.title, "description": ""}
            if change.webhook:
                stage.change_template(template, change.status, **extra)
            else:
                template.assume(change.status)
            if change.status == "DELETED":
                told = template.notice
                stage.world.drop_template(template)
                if told is not None:
                    stage.world.missing[template.key] = told
        return template

    def _create(self, waba: str, name: str, language: str, change: TemplateChange) -> Template:
        """Create a template of the components that a change names."""
        if change.components is None:
            raise UnknownNameError(f"template {waba}/{name}/{language}")
        spec = TemplateSpec(waba, name, language, change.category or "MARKETING")
        spec = msgspec.structs.replace(spec, components=change.components)
        return self._stage().world.add_template(spec)

    def _reword(self, template: Template, change: TemplateChange) -> None:
        """Give a template other words; message_template_components_update has only some of them."""
        template.components = change.components or []
        template.shape = shape_of(template.components)
        texts = {str(each.get("type")).upper(): each.get("text") for each in template.components}
        value = {**_identity(template), "message_template_element": texts.get("BODY")}
        self._post(change.webhook, template.waba_id, "message_template_components_update", value)

    def _requalify(self, template: Template, change: TemplateChange) -> None:
        """Give a template another quality score."""
        former = template.quality
        template.quality = change.quality or former
        if change.webhook:
            stage = self._stage()
            update = payloads.template_quality(template, former, stage.now_ms())
            stage.postman.post_change(update)

    def _recategorise(self, template: Template, change: TemplateChange) -> None:
        """Give a template another category."""
        former = template.category
        template.category = change.category or former
        value: dict[str, object] = {
            **_identity(template),
            "previous_category": former,
            "new_category": template.category,
        }
        self._post(change.webhook, template.waba_id, "template_category_update", value)

    def _post(self, webhook: bool, waba_id: str, field: str, value: dict[str, object]) -> None:  # noqa: FBT001
        """Post a management event unless the caller wants none."""
        stage = self._stage()
        if webhook:
            change = payloads.Change(waba_id, field, value, stage.now_ms() // 1_000)
            stage.postman.post_change(change)

    def change_limit(self, portfolio_id: str, change: LimitChange) -> None:
        """Give a portfolio another limit; each of its WABAs gets business_capability_update."""
        stage = self._stage()
        if portfolio_id not in stage.world.portfolios:
            raise UnknownNameError(f"portfolio {portfolio_id}")
        quotas = stage.judge.quotas_of(portfolio_id)
        for quota in quotas:
            quota.assume(change.limit)
        if not change.webhook:
            return

        def told(at_ms: int) -> None:
            for quota in quotas:
                quota.tell(at_ms)

        for account in stage.world.accounts.values():
            if account.portfolio_id == portfolio_id:
                update = payloads.capability(account, change.limit, stage.now_ms())
                stage.postman.post_change(update, told)

    def change_sender(self, number_id: str, change: SenderChange) -> None:
        """Change a number's state, throughput or quality, and post phone_number_quality_update."""
        stage, number = self._stage(), self._number(number_id)
        event = change.event
        if change.status is not None or change.code is not None:
            number.assume(change.status or number.status, change.code)
        if change.quality is not None:
            number.quality_rating = change.quality
        if change.throughput is not None:
            if change.throughput < number.throughput_mps:
                lenient_ms = stage.now_ms() + change.learn_ms
                stage.judge.lenient_until_ms[number.id] = lenient_ms
            else:
                event = event or "THROUGHPUT_UPGRADE"
            number.throughput_mps = change.throughput
        if change.code_verification_status is not None:
            number.code_verification_status = change.code_verification_status
        if change.name_status is not None:
            number.name_status = change.name_status
            if change.webhook:
                decision = DECISIONS.get(change.name_status, "DEFERRED")
                stage.postman.post_change(payloads.number_name(number, decision, stage.now_ms()))
        if change.webhook and event is not None:
            limit = stage.judge.quota_of(number).limit
            word = "TIER_UNLIMITED" if limit < 0 else f"TIER_{limit}"
            update = payloads.number_quality(number, event, word, stage.now_ms())
            stage.postman.post_change(update)

    def receive(self, inbound: Inbound) -> None:
        """Let a user write to a number: opens the window, and takes from the throughput."""
        stage, number = self._stage(), self._number(inbound.phone_number_id)
        at_ms = stage.now_ms() if inbound.timestamp_ms is None else inbound.timestamp_ms
        is_user_id = not inbound.sender.lstrip("+").isdecimal()
        sender = inbound.sender.lstrip("+")
        opened_at_ms = number.service_windows.get(sender, 0)
        number.service_windows[sender] = max(opened_at_ms, at_ms)
        stage.judge.throughputs[number.id].admits(stage.now_ms(), sys.maxsize)
        message = inbound.message or {"type": "text", "text": {"body": inbound.text}}
        if inbound.webhook:
            stage.inbound_count += 1
            stamped = {
                "id": f"wamid.INBOUND{stage.inbound_count:010X}=",
                "timestamp": str(at_ms // 1_000),
                **message,
            }
            change = payloads.inbound(number, sender, stamped, is_user_id=is_user_id)
            stage.postman.post_change(change)

    def ring(self, call: Call) -> None:
        """Let a user call a number: opens the window, and takes nothing from the throughput."""
        stage, number = self._stage(), self._number(call.phone_number_id)
        at_ms = stage.now_ms() if call.timestamp_ms is None else call.timestamp_ms
        sender = call.sender.lstrip("+")
        number.service_windows[sender] = max(number.service_windows.get(sender, 0), at_ms)
        if call.webhook:
            stage.inbound_count += 1
            call_id = f"wacid.CALL{stage.inbound_count:010X}="
            stage.postman.post_change(payloads.call(number, sender, call_id, at_ms))

    def prefer(self, preference: Preference) -> None:
        """Let a user stop or resume marketing messages (user_preferences)."""
        stage, number = self._stage(), self._number(preference.phone_number_id)
        recipient = preference.recipient.lstrip("+")
        key = (number.portfolio_id, recipient)
        told = None
        if preference.value == "stop":
            told = stage.world.oppose(*key, Notice(131050), stage.now_ms()).tell
        else:
            stage.world.opposed.pop(key, None)
        if preference.webhook:
            update = payloads.preference(number, recipient, preference.value, stage.now_ms())
            stage.postman.post_change(update, told)

    def change_account(self, waba_id: str, change: AccountChange) -> None:
        """Block a WABA or let it go; blocks for policy are announced by account_update."""
        stage = self._stage()
        account = stage.world.accounts.get(waba_id)
        if account is None:
            raise UnknownNameError(f"waba {waba_id}")
        if not change.code:
            self._release(account, change)
            return
        lasts_ms = None if change.seconds is None else int(change.seconds * 1_000)
        notice = stage.block(account, change.code, lasts_ms)
        if change.webhook and change.code in RESTRICTING_CODES:
            update = payloads.account_restriction(account, notice.until_ms, stage.now_ms())
            stage.postman.post_change(update, notice.tell)

    def _release(self, account: Account, change: AccountChange) -> None:
        """Let a WABA send again."""
        stage, notice = self._stage(), account.notice
        account.notice = None
        if change.webhook and notice is not None and notice.code in RESTRICTING_CODES:
            update = payloads.account_reinstated(account, stage.now_ms())
            stage.postman.post_change(update)

    def wish(self, wish: Wish) -> Wish:
        """Register a gate that Meta does not have."""
        stage = self._stage()
        return stage.judge.wishes.register(wish, stage.now_ms(), stage.plan.rules.grace_ms)

    def end_wish(self, wish_id: str) -> None:
        """End a wish now."""
        stage = self._stage()
        if not stage.judge.wishes.end(wish_id, stage.now_ms()):
            raise UnknownNameError(f"wish {wish_id}")

    def change_faults(self, change: FaultChange) -> None:
        """Let other faults happen from now on."""
        stage = self._stage()
        stage.faults.replace(change.faults, stage.now_ms())

    def post_event(self, event: Event) -> None:
        """Post any other webhook as it is given."""
        self._post(True, event.waba_id, event.field, event.value)  # noqa: FBT003

    def _number(self, number_id: str) -> Number:
        """Return the number of this id."""
        number = self._stage().world.numbers.get(number_id)
        if number is None:
            raise UnknownNameError(f"sender {number_id}")
        return number


def _identity(template: Template) -> dict[str, object]:
    """Return the fields by which template events name a template."""
    return {
        "message_template_id": int(template.id) if template.id.isdecimal() else template.id,
        "message_template_name": template.name,
        "message_template_language": template.language,
    }
