"""What is true at Meta beside the sends, and the webhooks that tell of it: lost, late, doubled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from adapters.meta.codes import TABLE
from engine.letters import Letter
from engine.model import SenderId, TemplateStatus
from tests.virtual_time import VirtualTimeLoop

WABA = "W"
DAY_S = 86_400
SECOND_MS = 1_000
NOBODY_KNOWS = 999_983  # an error number that no table has
CODES = (*sorted(set(TABLE) - {131050}), NOBODY_KNOWS)
"""Answers that come out of the blue; 131050 is a person's own word, which lasts."""
REFUSALS = {  # what a template that may not be sent is refused with
    TemplateStatus.PAUSED: 132015,
    TemplateStatus.DISABLED: 132016,
    TemplateStatus.PENDING: 132001,
    TemplateStatus.REJECTED: 132001,
}

Post = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Mail:
    """How often a webhook of news gets lost, comes twice, and how late."""

    lost: float = 0.1
    twice: float = 0.25
    lags_s: tuple[float, ...] = (0.5, 0.5, 0.5, 5.0, 300.0, 7_200.0)


@dataclass
class Truth:
    """Numbers, templates and the account as Meta has them."""

    loop: VirtualTimeLoop
    rng: Random
    post: Post
    templates: dict[str, TemplateStatus]
    numbers: Mapping[SenderId, int]
    limit: int = 250
    qualities: dict[SenderId, str] = field(default_factory=dict[SenderId, str])
    dead_tokens: set[SenderId] = field(default_factory=set[SenderId])
    is_banned: bool = False
    restricted_until_ms: int = 0
    mail: Mail = field(default_factory=Mail)

    def code(self, letter: Letter) -> int:
        """Return the number that a letter is refused with; 0 when nothing here forbids it."""
        lane = letter.job.lane
        if lane.sender in self.dead_tokens:
            return 190
        if self.is_banned:
            return 131031
        if self.restricted_until_ms > self.loop.now_ms():
            return 368
        return REFUSALS.get(self.templates[lane.template], 0)

    # -- what happens -------------------------------------------------------------------------

    def judge_template(self, key: str, status: TemplateStatus) -> None:
        """Pause, approve, reject or disable a template."""
        self.templates[key] = status
        self._tell("message_template_status_update", _named(key) | {"event": status.value})

    def edit_template(self, key: str) -> None:
        """Somebody edits a template in the WhatsApp Manager: it is in review again."""
        self._tell("message_template_components_update", _named(key))
        self.judge_template(key, TemplateStatus.PENDING)

    def rate_number(self, sender: SenderId, quality: str) -> None:
        """Give a number another quality; the event of a flag does not tell which."""
        self.qualities[sender] = quality
        event = "FLAGGED" if quality == "RED" else "UNFLAGGED"
        value = {"display_phone_number": shown_number(sender), "event": event}
        self._tell("phone_number_quality_update", value)

    def put_limit(self, places: int) -> None:
        """Give the portfolio another limit."""
        self.limit = places
        self._tell("business_capability_update", {"max_daily_conversations_per_business": places})

    def ban(self, *, is_banned: bool) -> None:
        """Disable the account, or reinstate it: that ends its restrictions too."""
        self.is_banned = is_banned
        self.restricted_until_ms = self.restricted_until_ms if is_banned else 0
        state = "DISABLE" if is_banned else "REINSTATE"
        info = {"waba_ban_state": state, "waba_ban_date": "April 17, 2025"}
        self._tell("account_update", {"event": "DISABLED_UPDATE", "ban_info": info})

    def restrict(self, hours: float) -> None:
        """Forbid the account to start conversations for some hours."""
        ends_s = self.loop.now_ms() // SECOND_MS + int(hours * 3_600)
        self.restricted_until_ms = ends_s * SECOND_MS
        restriction = {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING"}
        info = [restriction | {"expiration": ends_s}]
        self._tell("account_update", {"event": "ACCOUNT_RESTRICTION", "restriction_info": info})

    # -- who is told --------------------------------------------------------------------------

    def _tell(self, name: str, value: Mapping[str, object]) -> None:
        at_s = self.loop.now_ms() // SECOND_MS
        change = {"field": name, "value": value}
        entry = {"id": WABA, "time": at_s, "changes": [change]}
        body = {"object": "whatsapp_business_account", "entry": [entry]}
        raw, rng, mail = json.dumps(body).encode(), self.rng, self.mail
        if rng.random() < mail.lost:
            return
        for _ in range(2 if rng.random() < mail.twice else 1):
            self.loop.call_later(rng.random() * rng.choice(mail.lags_s), self.post, raw)


def shown_number(sender: SenderId) -> str:
    """Return the number that people see."""
    return f"15550783{sender}"


def told_in(raw: bytes) -> tuple[int, str, Mapping[str, object]]:
    """Return when a body's news became true, its field and its value: the judge's own reading."""
    [entry] = json.loads(raw)["entry"]
    [change] = entry["changes"]
    return entry["time"] * SECOND_MS, change["field"], change["value"]


def template_in(value: Mapping[str, object]) -> str:
    """Return the key of the template that a value names."""
    name, language = value["message_template_name"], value["message_template_language"]
    return f"{WABA}/{name}/{language}"


def parts_of(key: str) -> Sequence[str]:
    """Return account, name and language of a template's key."""
    return key.split("/")


def _named(key: str) -> dict[str, object]:
    _, name, language = parts_of(key)
    return {
        "message_template_id": 1,
        "message_template_name": name,
        "message_template_language": language,
    }
