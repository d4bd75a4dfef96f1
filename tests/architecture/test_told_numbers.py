"""A number in the documents is the one of the code: whoever changes one is led to the other."""

import pytest

from adapters.api import bodies, jobs, patience, streams, templates
from adapters.console import viewers
from adapters.house import (
    api_side,
    exporting,
    pulsing,
    serving,
    shared,
    supervisor,
    telling,
    traced,
    worker_side,
)
from adapters.knobs import DOUBT_SECONDS
from adapters.meta import answers, breaker, management, parsing
from adapters.prometheus import known, metrics, rounds, standings, tallies, wanted
from adapters.redis import ledger as redis_ledger
from adapters.redis import pulses, results, traces, uploads
from engine import inbound, messages, pace, quiet, recipients, revalidation, storms, terms
from engine.borders import REMEMBERED_MS
from engine.dead import DEAD_MAX
from engine.model import Category
from engine.profiles import SEED
from engine.quota import DAY_MS
from engine.silence import SILENT_MS
from engine.template_journeys import USED_MS
from tests.architecture.source_tree import ROOT

SECOND_MS, MINUTE_MS = 1_000, 60_000
MB = 2**20
README, CHANGELOG = "README.md", "CHANGELOG.md"
OPERATIONS, RUNBOOK = "docs/operations.md", "docs/runbook.md"
SECURITY, CONTROLS, ERRORS = "docs/security.md", "docs/controls.md", "docs/errors.md"
CLOCK_MS = redis_ledger.CLOCK_TOLERANCE_MS
DOUBTFUL = (Category.AUTHENTICATION, Category.UTILITY, Category.MARKETING)
doubt_s = {category: round(seconds) for category, seconds in DOUBT_SECONDS.items()}


def in_words(phrase: str, holds: bool) -> str:  # noqa: FBT001 (each phrase is followed by why)
    """Return a phrase that has a number in words; one that no document has where it is not so."""
    return phrase if holds else f"{phrase} (in the code it is another)"


TOLD = [
    (README, f"1 per {pace.PAIR_INTERVAL_MS // SECOND_MS} s, bursts of {pace.PAIR_BURST}"),
    (README, in_words("no status for a minute", SILENT_MS == MINUTE_MS)),
    (README, f"behind more than {terms.Terms().expire_bite} jobs of its lane"),
    (README, f"{SEED.numbers_before} numbers a portfolio until a display name"),
    (README, f"and {SEED.numbers_after} after"),
    (README, f"not verified in {SEED.unverified_ms // DAY_MS} days"),
    (README, f"flagged for {SEED.flag_ms // DAY_MS} days"),
    (README, f"for {REMEMBERED_MS // DAY_MS} days; then one message asks anew"),
    (README, in_words("what rows said is kept for 30 days", results.KEPT_MS == 30 * DAY_MS)),
    (README, in_words("for 30 days: `GET", traces.KEPT_MS == 30 * DAY_MS)),
    (README, in_words("used it within a week", USED_MS == 7 * DAY_MS)),
    (README, in_words("each of which tells every two seconds", pulsing.PULSE_EVERY_S == 2)),
    (README, in_words("the last ten minutes are kept", pulses.KEEP_MS == 10 * MINUTE_MS)),
    (README, in_words("at most one a second", viewers.EVERY_S == 1)),
    (README, in_words("a fifth of the time", viewers.REST == 4)),
    (README, " / ".join(f"{doubt_s[each]:,}" for each in DOUBTFUL)),
    (README, in_words("clock off by more than two seconds", CLOCK_MS == 2 * SECOND_MS)),
    (RUNBOOK, f"({doubt_s[Category.AUTHENTICATION]} s, 2 min, 1 h)"),
    (RUNBOOK, f"{storms.FAILED_MIN} messages of the campaign, and half of all that ended"),
    (RUNBOOK, in_words("within a minute, so it was paused", storms.SPAN_MS == MINUTE_MS)),
    (RUNBOOK, in_words("stops for ten seconds", terms.RECOVER_MS == 10 * SECOND_MS)),
    (RUNBOOK, in_words("five unknown codes in a row", terms.STRIKES_MAX == 5)),
    (RUNBOOK, in_words("Five writes in a row got no answer", breaker.TROUBLE_MAX == 5)),
    (RUNBOOK, in_words("one probe every five seconds", breaker.OPEN_FOR_MS == 5 * SECOND_MS)),
    (RUNBOOK, f"after {answers.UNPROVEN_REST_MS // SECOND_MS} s, then 2, 8 and 32 min"),
    (ERRORS, in_words("in the last five minutes", inbound.JUST_WROTE_MS == 5 * MINUTE_MS)),
    (ERRORS, f"waits {answers.UNPROVEN_REST_MS // SECOND_MS} s, four times as long"),
    (RUNBOOK, in_words("after an hour in doubt it ends", terms.HELD_MS == 60 * MINUTE_MS)),
    (RUNBOOK, in_words("or not for eight days", quiet.AHEAD_DAYS == 8)),
    (RUNBOOK, f"above {management.FULL_PERCENT} %"),
    (RUNBOOK, "at most {utility} and {authentication} times".format(**messages.REPEATS)),
    (RUNBOOK, in_words("ends within 25 seconds", worker_side.DRAIN_MS == 25 * SECOND_MS)),
    (RUNBOOK, in_words("each does so every second", worker_side.ATTEND_EVERY_S == 1)),
    (RUNBOOK, in_words("could read the ledger in three seconds", standings.TAKE_S == 3)),
    (OPERATIONS, f"for {worker_side.DRAIN_MS // SECOND_MS} seconds at most"),
    (OPERATIONS, f"after 1, 2, 4 … {supervisor.LATEST_S:g} seconds"),
    (OPERATIONS, f"after {supervisor.DRAIN_S:g} seconds is killed"),
    (OPERATIONS, f"at most every {standings.CACHE_MS / SECOND_MS:g} seconds"),
    (OPERATIONS, f"{tallies.SENDERS_MAX:,} senders (by alias)"),
    (OPERATIONS, f"{tallies.PORTFOLIOS_MAX:,} portfolios, {known.TEMPLATES_MAX:,} templates"),
    (OPERATIONS, f"{metrics.CODES_MAX} error codes"),
    (OPERATIONS, f"More than {rounds.READ_AT_ONCE:,} portfolios, or a slow Redis"),
    (OPERATIONS, in_words("once a minute with how often", telling.AGAIN_MS == MINUTE_MS)),
    (OPERATIONS, in_words("up to five seconds late", exporting.EXPORT_EVERY_S == 5)),
    (OPERATIONS, in_words("every five seconds by one process", exporting.EXPORT_EVERY_S == 5)),
    (OPERATIONS, f"of one batch at most {traced.LINES_MAX} are told"),
    (OPERATIONS, f"more than {wanted.WORKER_MPS:,} messages a second"),
    (OPERATIONS, f"what leaves within {pace.AHEAD_LOW_MS} ms"),
    (OPERATIONS, f"the newest {DEAD_MAX:,} failures of a portfolio"),
    (SECURITY, f"({DEAD_MAX:,} at most)"),
    (SECURITY, f"a keyed hash of {recipients.KEY_BYTES} bytes"),
    (SECURITY, f"({bodies.BULK_MAX // MB} MB, webhooks {parsing.BODY_MAX // MB} MB"),
    (SECURITY, in_words("within a look (a second, usually)", viewers.EVERY_S == 1)),
    (CONTROLS, f"webhook {parsing.BODY_MAX // MB} MiB, JSON {bodies.JSON_MAX // MB} MiB"),
    (CONTROLS, f"jobs {bodies.BULK_MAX // MB} MiB and {jobs.JOBS_MAX:,} items"),
    (CONTROLS, f"a line {streams.LINE_MAX // MB} MiB"),
    (CONTROLS, f"a gzip upload {streams.UNPACKED_MAX // 2**30} GiB unpacked"),
    (CONTROLS, f"heads: {serving.HEADERS_MAX} of 8 KiB"),
    (CONTROLS, f"{patience.HEAD_S:g} s for a connection's first head"),
    (CONTROLS, f"{patience.SILENCE_S:g} s of silence"),
    (CONTROLS, f"{patience.PACE_BYTES_PER_S // 2**10} KiB/s for a body"),
    (CONTROLS, f"{serving.KEEPALIVE_S:g} s between requests"),
    (CONTROLS, f"{bodies.DEPTH_MAX} levels"),
    (CONTROLS, in_words("revoked everywhere within 5 s", shared.KEYS_HOLD_MS < 5 * SECOND_MS)),
    (CONTROLS, f"at most {tallies.SENDERS_MAX:,} senders, the rest is `other`"),
    (CHANGELOG, f"the file, at most {templates.SAMPLE_MAX // MB} MiB"),
    (CHANGELOG, f"by more than {api_side.PATIENCE_MS // SECOND_MS} seconds answers 503"),
    (CHANGELOG, f"refused rows of all uploads, the last {results.REJECTS_MAX:,}"),
    (CHANGELOG, f"the first {revalidation.NAMED_MAX} `misfits`"),
    (CHANGELOG, f"beyond {redis_ledger.AUDIT_MAX:,} kept ends bucket by bucket"),
    (CHANGELOG, f"(at most {DEAD_MAX:,} rows of failed jobs)"),
    (CHANGELOG, f"of which {storms.FAILED_MIN} messages and half of what ended failed"),
    (CHANGELOG, in_words("Known for a day after the last piece", uploads.KEPT_MS == DAY_MS)),
    (CHANGELOG, f"Error codes beyond {metrics.CODES_MAX}"),
    (ERRORS, in_words("five in a row park the template", terms.STRIKES_MAX == 5)),
]


@pytest.mark.parametrize(("document", "phrase"), TOLD)
def test_a_number_is_that_of_the_code(document: str, phrase: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert phrase in text.replace("**", "")
