"""Each command that the runbook and its siblings tell somebody to type works and says so much."""

import asyncio
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from typer.testing import CliRunner

from adapters import main
from adapters.cli.app import app
from adapters.sandbox.scenario import World
from tests.architecture.source_tree import ROOT
from tests.e2e.whole_house import (
    APP_SECRET,
    KEY,
    PORTFOLIO,
    SENDER,
    WABA,
    Whole,
    a_message,
    a_whole_house,
    a_world,
    rows,
)

DOCUMENTS = ("runbook", "operations", "security", "controls", "errors")
SPAN = re.compile(r"`penstock ([a-z][^`\n]*)`")
LOG = re.compile(r"outcomes-acme-[\d-]+\.ndjson")
TO, FAILS, DOUBTS = "+4915199999990", "+4915199999991", "+4915199999992"
PEOPLE = 60  # more than the limit of 40: some wait for a place
PATIENCE_S, LOOK_EVERY_S = 30.0, 0.05

# What goes on until it is told to stop: tests/e2e/test_supervisor.py, test_first_steps.py.
GOES_ON = {"run", "serve", "worker", "worker --processes N", "worker --processes 4"}
NAMES = {  # commands named without what they need: `--help` must know them
    *("sender add", "sender refresh", "template edit", "campaign retry-failed", "why"),
    "sender add SENDER … --token -",
}
REFUSES_SOME = "dead replay SENDER --code CODE"  # rows of a campaign, as the runbook says
# In an order in which each finds something, with words of its answer that the text speaks of.
TYPED: Mapping[str, tuple[str, ...]] = {
    "doctor": ("redis", "clock", "salt", "workers", "webhooks", f"sender {SENDER}"),
    "top": ("LIMIT", "GATE", "SENDER", "quota"),
    "why JOB": ("in_doubt", "looked at again"),
    "why JOB|SENDER": (),  # each apart
    "why SENDER": ("quota", "messaging limit"),
    "why CAMPAIGN": ("campaign c1", "quota", "40"),
    "campaign status CAMPAIGN": ("waiting quota", "eta: 2", "warnings"),
    "campaign results CAMPAIGN": ("to,job,state,gate,delivery,code", "accepted", "131026"),
    "portfolio show PORTFOLIO": ("limit 40", "used 40", "next_free_at"),
    "sender show SENDER": ("closed_by", "throughput: 80", "rate_limit: 80", "quality_share"),
    "account show WABA": ("closed_by", "countries"),
    "audit PORTFOLIO": ("the books balance",),
    "doubt list": ("pst.", "decided_at"),
    "doubt list PORTFOLIO": ("pst.", "decided_at"),
    "doubt resolve JOB --as accepted": ("state: accepted",),
    "dead list": ("131026", "undeliverable"),
    "dead list SENDER": ("131026", "undeliverable", "replayable"),
    REFUSES_SOME: ("replayed: 1", "use retry-failed"),
    "dead replay SENDER [JOB]…": (),
    "dead drop SENDER": ("dropped: ",),
    "campaign retry-failed CAMPAIGN": ("failed: 1", "retried: 1"),
    "template list WABA": ("APPROVED", "quality"),
    "template refresh WABA NAME LANGUAGE": ("status: APPROVED",),
    "template import WABA": ("imported: 2",),
    "journey show JOURNEY": ("stopped_by", "warnings"),
    "journey resume JOURNEY": ("state: running",),
    "suppression add TO": ("all", PORTFOLIO),
    "suppression show TO": ("portfolio_id", "since", "all"),
    "erase TO": ("unsent", "open"),
    "sender refresh SENDER": ("status: CONNECTED", "quality: GREEN"),
    "sender pause SENDER": ("cause pause",),
    "sender resume SENDER": ("closed_by: -",),
    "sender add SENDER --token -": (f"id: {SENDER}",),
    "sender add SENDER --portfolio P --waba W --number N --token -": (f"id: {SENDER}",),
    "account open WABA": ("closed_by: -",),
    "campaign change CAMPAIGN --quiet off": ("quiet_hours: -",),
    "campaign change CAMPAIGN --message FILE": ("version: 2", "misfits: -"),
    "campaign pause CAMPAIGN": ("state: paused",),
    "campaign resume CAMPAIGN": ("state: running",),
    "campaign cancel CAMPAIGN": ("state: cancelled",),
    "portfolio add PORTFOLIO --limit TIER_2K": ("messaging_limit: 2000",),
    "key create NAME --role send": ("key: psk_",),
    "key create NAME --role send --portfolio PORTFOLIO": (f"portfolio: {PORTFOLIO}", "key: psk_"),
    "key list": ("role", "send"),
    "key revoke ID": ("revoked: yes",),
    "verify-log outcomes-acme-2026-03-01.ndjson outcomes-acme-2026-03-02.ndjson": ("never",),
}

pytestmark = [pytest.mark.one_server, pytest.mark.slow, pytest.mark.timeout(120)]


def told() -> set[str]:
    """Return what the documents tell somebody to type, without the name of the program."""
    texts = [(ROOT / f"docs/{name}.md").read_text(encoding="utf-8") for name in DOCUMENTS]
    return {span for text in texts for span in SPAN.findall(text)}


def test_each_command_of_the_documents_is_tried_here() -> None:
    assert told() == TYPED.keys() | NAMES | GOES_ON


def said(words: list[str], status: int = 0) -> str:
    """Run a command as somebody types it; return what it printed."""
    ended = CliRunner().invoke(app, words, input="token-of-the-test\n")
    assert ended.exit_code == status, f"penstock {shlex.join(words)}\n{ended.output}"
    return ended.output


@pytest.mark.parametrize("named", sorted(NAMES))
def test_a_command_that_is_only_named_is_known(named: str) -> None:
    words = re.match(r"[a-z-]+(?: [a-z-]+)?", named)
    assert words
    assert "Usage" in said([*words[0].split(), "--help"])


class Place:
    """What stands for the words in capitals, at the moment of each command."""

    def __init__(self, whole: Whole, directory: Path, doubt: str) -> None:
        self._directory = directory
        message = directory / "message.json"
        message.write_text(json.dumps(a_message("dear {{name}}")), encoding="utf-8")
        self._words = {
            "SENDER": SENDER,
            "WABA": WABA,
            "W": WABA,
            "PORTFOLIO": PORTFOLIO,
            "P": PORTFOLIO,
            "CAMPAIGN": "c1",
            "JOURNEY": "welcome",
            "JOB": doubt,
            "TO": TO,
            "CODE": "131026",
            "N": "+1 555 0100",
            "NAME": "offer",
            "LANGUAGE": "en_US",
            "FILE": str(message),
        }
        self._whole = whole

    async def filled(self, line: str) -> list[str]:
        """Return the words of a line of the documents with a name for each that is in capitals."""
        if line == "key revoke ID":
            keys = (await self._whole.call("GET", "/v1/keys"))["keys"]
            self._words["ID"] = next(each["id"] for each in keys if each["name"] == "offer")
        files = sorted(map(str, self._directory.glob("outcomes-*.ndjson")))
        if LOG.search(line):
            assert files
            return ["verify-log", *files]
        return [self._words.get(word, word) for word in shlex.split(line)]


def a_troubled_world() -> World:
    faults = [
        {"kind": "error", "code": 131026, "recipients": [FAILS]},
        {"kind": "error", "code": 131026, "recipients": ["4915100000000"]},
        {"kind": "server_error", "recipients": [DOUBTS]},
    ]
    return a_world(faults=faults, window_ms=86_400_000)


async def trouble(whole: Whole) -> str:
    """Have jobs in each state that the documents speak of; return the job in doubt."""
    await whole.call("PUT", "/v1/journeys/welcome", {"portfolio_id": PORTFOLIO})
    await whole.call("POST", "/v1/journeys/welcome/stop")
    jobs = [{"sender": SENDER, "to": to, "message": a_message("Ada")} for to in (FAILS, DOUBTS)]
    answer = await whole.call("POST", "/v1/jobs", jobs)
    await whole.upload("c1", rows(PEOPLE))
    await whole.call("POST", "/v1/campaigns/c1/start")
    await whole.until("c1", lambda its: its["counts"]["waiting"].get("quota", 0) > 0)

    async def listed(path: str, name: str) -> int:
        return len((await whole.call("GET", path))[name])

    async with asyncio.timeout(PATIENCE_S):
        while await listed("/v1/dead", "dead") < 2 or await listed("/v1/doubts", "doubts") < 1:
            await asyncio.sleep(LOOK_EVERY_S)
    doubt: str = answer["results"][1]["id"]
    return doubt


async def test_each_command_works_and_says_what_the_text_speaks_of(
    durable_url: str, durable_client: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await durable_client.ping()
    monkeypatch.chdir(tmp_path)
    async with a_whole_house(durable_url, tmp_path, a_troubled_world()) as whole:
        settings = {"URL": whole.url, "API_KEY": KEY, "REDIS_URL": durable_url}
        settings |= {"META_APP_SECRET": APP_SECRET, "GRAPH_URL": whole.graph_url}
        settings |= {"LISTEN": whole.house.settings.listen, "DATA_DIR": str(tmp_path)}
        for name, value in settings.items():
            monkeypatch.setenv(f"PENSTOCK_{name}", value)
        place = Place(whole, tmp_path, await trouble(whole))
        for line, words in TYPED.items():
            if words:
                status = main.FAILED if line == REFUSES_SOME else 0
                answer = await asyncio.to_thread(said, await place.filled(line), status)
                missing = [word for word in words if word not in answer]
                assert not missing, f"penstock {line}\n{answer}"


# What the runbook has somebody ask of Redis, and words of the answer that its text speaks of.
ASKED: Mapping[str, tuple[str, ...]] = {
    "INFO persistence": ("aof_enabled", "aof_last_write_status", "aof_last_bgrewrite_status"),
    "INFO replication": ("role",),
    "INFO memory": ("used_memory", "maxmemory"),
    "SLOWLOG GET": (),
    "CONFIG SET latency-monitor-threshold 10": (),
    "LATENCY DOCTOR": (),
    "CONFIG SET appendonly yes": (),
    "TIME": (),
}


async def test_what_redis_is_asked_is_answered(durable_client: Redis) -> None:
    text = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    for line, words in ASKED.items():
        assert line in text
        answer: Any = await durable_client.execute_command(*line.split())
        assert [word for word in words if word not in str(answer)] == []
        assert "disabled" not in str(answer)
