"""The doctor finds each thing that an operator can get wrong, and says how to mend it."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.house import doctor_redis
from adapters.house.doctor import examine
from adapters.house.findings import Finding, State
from adapters.house.meeting import time_of
from adapters.house.shared import House
from adapters.redis.connect import Client
from adapters.redis.embedded import EmbeddedServer
from adapters.settings import load_settings
from engine.model import SenderId
from tests.e2e.fleet import a_process, an_environment
from tests.e2e.whole_house import SENDER, a_whole_house
from tests.redis_servers import free_port

pytestmark = pytest.mark.one_server

VERIFY = "verify-token-of-the-test"


async def examined(house: House, url: str, **changes: object) -> dict[str, list[Finding]]:
    """Examine the deployment a house belongs to, with other settings; return it by subject."""
    its = house.settings
    flags: dict[str, object] = {
        "data_dir": str(its.data_dir),
        "listen": its.listen,
        "graph_url": its.graph_url,
        "meta_app_secret": "app-secret-of-the-test",
        "meta_verify_token": VERIFY,
        "window_seconds": its.window_seconds,
    }
    settings = load_settings(flags | changes, environment={}, directory=its.data_dir)
    found: dict[str, list[Finding]] = {}
    for each in await examine(settings, url):
        assert each.found
        assert (each.state is State.OK) == (not each.remedy)
        found.setdefault(each.subject, []).append(each)
    return found


def states(found: dict[str, list[Finding]], subject: str) -> list[State]:
    return [each.state for each in found[subject]]


async def test_what_is_well_is_said_to_be_well(
    durable_url: str, durable_client: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_redis, "SLOW_US", 10_000_000)  # the machine may be busy
    assert await durable_client.ping()
    async with a_whole_house(durable_url, tmp_path, meta_verify_token=VERIFY) as whole:
        found = await examined(whole.house, durable_url)
        for subject in ("redis", "clock", "memory", "scripts", "workers", "webhooks"):
            assert states(found, subject) == [State.OK], found[subject]
        assert states(found, f"sender {SENDER}") == [State.OK]
        assert {each.state for all_ in found.values() for each in all_} == {State.OK, State.WARN}
        assert states(found, "settings") == [State.WARN, State.WARN]  # the window, the sandbox


async def test_what_is_wrong_with_redis_is_found(
    durable_url: str, durable_client: Redis, tmp_path: Path
) -> None:
    async with a_whole_house(durable_url, tmp_path) as whole:
        await durable_client.config_set("maxmemory-policy", "allkeys-lru")
        found = await examined(whole.house, durable_url)
        assert states(found, "redis") == [State.FAIL]
        assert "CONFIG SET maxmemory-policy noeviction" in found["redis"][0].remedy
        nobody = f"redis://:hidden-word@127.0.0.1:{free_port()}"
        found = await examined(whole.house, nobody, redis_url=nobody)
        assert states(found, "redis") == [State.FAIL]
        assert "hidden-word" not in str(found)
        found = await examined(whole.house, "http://nowhere")
        assert states(found, "redis") == [State.FAIL]


async def test_what_redis_itself_says_is_told_with_its_remedy(tmp_path: Path) -> None:
    port, nobody, web, word = free_port(), free_port(), free_port(), "word-of-the-test"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", web):
        await _tell_each(tmp_path, port, nobody, web, word)


async def _tell_each(tmp_path: Path, port: int, nobody: int, web: int, word: str) -> None:
    with EmbeddedServer(tmp_path / "redis", tcp_port=port, password=word):
        for url, said, remedy in (
            (f"redis://:hidden-word@127.0.0.1:{port}", "refuses this user or password", "Correct"),
            (f"redis://127.0.0.1:{port}", "refuses this user or password", "docs/security.md"),
            (
                f"redis+sentinel://127.0.0.1:{port}/main?sentinel_password={word}",
                "unknown command 'SENTINEL'",
                "PENSTOCK_REDIS_URL",
            ),
            (
                f"redis+cluster://:{word}@127.0.0.1:{port}",
                "Cluster mode is not enabled",
                "Write redis://",
            ),
            (f"redis+cluster://127.0.0.1:{nobody}", "no answer from Redis at", "Start it"),
            (f"rediss://127.0.0.1:{nobody}", "no answer from Redis at", "does not speak TLS"),
            (f"redis://127.0.0.1:{web}", "Protocol error", "is no Redis"),
        ):
            flags = {"data_dir": str(tmp_path), "redis_url": url}
            settings = load_settings(flags, environment={}, directory=tmp_path)
            [found] = [each for each in await examine(settings, url) if each.subject == "redis"]
            assert found.state is State.FAIL
            assert said in found.found
            assert remedy in found.remedy
            assert not re.search(f"{word}|hidden-word", str(found))


async def test_a_clock_that_is_off_is_told(
    server_url: str, redis_client: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await redis_client.ping()

    async def an_hour_ahead(client: Client) -> int:
        return await time_of(client) + 3_600_000_000

    monkeypatch.setattr(doctor_redis, "time_of", an_hour_ahead)
    async with a_whole_house(server_url, tmp_path) as whole:
        [clock] = (await examined(whole.house, server_url))["clock"]
    assert clock.state is State.FAIL
    [off_s] = re.findall(r"is ([+-][\d.]+) s off", clock.found)
    assert float(off_s) == pytest.approx(3_600, abs=10)  # as long as a stall may be
    assert "NTP" in clock.remedy


async def test_what_is_wrong_with_tokens_and_webhooks_is_found(
    server_url: str, redis_client: Redis, tmp_path: Path
) -> None:
    assert await redis_client.ping()
    subject = f"sender {SENDER}"
    async with a_whole_house(server_url, tmp_path, meta_verify_token=VERIFY) as whole:
        found = await examined(whole.house, server_url, secret_key="x" * 32)
        assert states(found, subject) == [State.FAIL]
        assert "PENSTOCK_SECRET_KEY" in found[subject][0].remedy
        found = await examined(whole.house, server_url, meta_verify_token="another one")
        assert states(found, "webhooks") == [State.FAIL]
        silent = f"127.0.0.1:{free_port()}"
        found = await examined(whole.house, server_url, listen=silent, meta_app_secret=None)
        assert states(found, "webhooks") == [State.FAIL, State.WARN]
        await whole.house.registry.put_token(SenderId(SENDER), "expired-token")
        found = await examined(whole.house, server_url)
        assert states(found, subject) == [State.FAIL]
        assert "--token -" in found[subject][0].remedy
        found = await examined(whole.house, server_url, graph_url=f"http://{silent}")
        assert states(found, subject) == [State.WARN]


@pytest.mark.redis
@pytest.mark.parametrize("is_well", [True, False])
async def test_its_exit_status_says_whether_something_fails(
    tmp_path: Path, *, is_well: bool
) -> None:
    secret = {"PENSTOCK_META_APP_SECRET": "app-secret-of-the-test"} if is_well else {}
    environment = an_environment(tmp_path, PENSTOCK_LISTEN=f"127.0.0.1:{free_port()}", **secret)
    process = await a_process(environment, "doctor", "--json")
    printed, logged = await process.communicate()
    assert process.returncode == (0 if is_well else 1), logged
    findings: list[dict[str, Any]] = json.loads(printed)["findings"]
    assert {"settings", "redis", "clock", "webhooks"} <= {each["subject"] for each in findings}
    process = await a_process(environment | {"PENSTOCK_LISTN": "x"}, "doctor")
    printed, _ = await process.communicate()
    assert process.returncode == 1
    assert b"did you mean" in printed


async def test_a_salt_that_does_not_fit_this_ledger_is_told(
    server_url: str, redis_client: Redis, tmp_path: Path
) -> None:
    salt, other = "a salt that nobody guesses", "another one that nobody guesses"
    settings = load_settings({"data_dir": str(tmp_path)}, environment={}, directory=tmp_path)
    before = [each for each in await examine(settings, server_url) if each.subject == "salt"]
    assert [each.state for each in before] == [State.OK]
    assert "first start makes one" in before[0].found
    async with a_whole_house(server_url, tmp_path, phone_salt=salt) as whole:
        for given, state in ((salt, State.OK), (None, State.OK), (other, State.FAIL)):
            found = await examined(whole.house, server_url, phone_salt=given)
            assert states(found, "salt") == [state]
            assert not re.search(f"{salt}|{other}", str(found))
        found = await examined(whole.house, server_url, phone_salt="short")
        assert any("phone_salt has fewer than" in each.found for each in found["settings"])
        await redis_client.hdel("ps:registry:secrets", "recipients")
        found = await examined(whole.house, server_url, phone_salt=salt)
        assert states(found, "salt") == [State.FAIL]
        assert await redis_client.hget("ps:registry:secrets", "recipients") is None  # it looks only
