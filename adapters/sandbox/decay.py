"""Quality that falls while marketing is sent: of templates, which pause, and of numbers.

M/templates/template-quality, M/templates/template-pausing, M/messaging-limits
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from adapters.sandbox.scenario import Decay
from adapters.sandbox.webhooks import payloads
from adapters.sandbox.world import Number, Send, Template

LOWER: Final = {"UNKNOWN": "YELLOW", "GREEN": "YELLOW", "YELLOW": "RED"}
TITLES: Final = ("FIRST_PAUSE", "SECOND_PAUSE")


class Scene(Protocol):
    """What of a stage decay touches."""

    @property
    def now_ms(self) -> Callable[[], int]:
        """Return the clock."""
        ...

    def later(self, after_ms: int, action: Callable[[], None]) -> None:
        """Do something later."""
        ...

    def change_template(self, template: Template, status: str, **extra: object) -> None:
        """Give a template another status, and tell."""
        ...

    def post(self, change: payloads.Change) -> None:
        """Post a webhook."""
        ...


class Decaying:
    """Counts accepted messages; each so many cost their template or number a step of quality."""

    def __init__(self, plans: list[Decay], scene: Scene) -> None:
        self._plans = plans
        self._scene = scene
        self._templates: Counter[tuple[str, str, str]] = Counter()
        self._numbers: Counter[str] = Counter()
        self._pauses: Counter[tuple[str, str, str]] = Counter()

    def note(self, send: Send) -> None:
        """Note an accepted message; only marketing annoys people."""
        template = send.template
        if template is None or send.category != "marketing":
            return
        for plan in self._plans:
            if template.name in plan.templates:
                self._templates[template.key] += 1
                if self._templates[template.key] % plan.messages_per_step == 0:
                    self._lower_template(template, plan)
            if send.number.id in plan.phone_number_ids:
                self._numbers[send.number.id] += 1
                if self._numbers[send.number.id] % plan.messages_per_step == 0:
                    self._lower_number(send.number, plan)

    def _lower_template(self, template: Template, plan: Decay) -> None:
        former = template.quality
        template.quality = LOWER.get(former, "RED")
        at_ms = self._scene.now_ms()
        self._scene.post(payloads.template_quality(template, former, at_ms))
        if template.quality != "RED" or template.status != "APPROVED":
            return
        pauses = self._pauses[template.key]
        self._pauses[template.key] += 1
        if pauses >= len(plan.pauses_ms):
            self._scene.change_template(template, "DISABLED", reason="ABUSIVE_CONTENT")
            return
        title = {"title": TITLES[min(pauses, len(TITLES) - 1)], "description": ""}
        self._scene.change_template(template, "PAUSED", other_info=title)
        self._scene.later(plan.pauses_ms[pauses], lambda: self._unpause(template))

    def _unpause(self, template: Template) -> None:
        """End a pause, unless something else became of it: its quality is judged anew."""
        if template.status == "PAUSED":
            template.quality = "UNKNOWN"
            title = {"title": "UNPAUSE", "description": ""}
            self._scene.change_template(template, "APPROVED", other_info=title)

    def _lower_number(self, number: Number, plan: Decay) -> None:
        number.quality_rating = LOWER.get(number.quality_rating, "RED")
        if plan.event:
            at_ms = self._scene.now_ms()
            self._scene.post(payloads.number_quality(number, plan.event, "TIER_NOT_SET", at_ms))
