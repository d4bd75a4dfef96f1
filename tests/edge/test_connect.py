"""The client factory: nobody is refused a connection, addresses are read."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis.exceptions
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.sentinel import SentinelConnectionPool

from adapters.redis.cluster_client import as_of_one_server
from adapters.redis.connect import (
    REPLY_TIMEOUT_MS,
    RedisAddressError,
    connect,
    connect_blocking,
    disconnect,
)
from adapters.redis.connections import MasterConnection, TcpConnection, TlsConnection
from adapters.redis.embedded import EmbeddedServer
from adapters.redis.fitness import (
    Severity,
    UnfitServerError,
    check_server,
    require_fit_server,
)
from adapters.redis.scripts import Call, Scripts
from engine.errors import LedgerAwayError
from tests.redis_cluster import cluster_url, redis_cluster
from tests.redis_servers import free_port, require_server, server_names


async def test_who_finds_no_free_connection_waits_for_one(server_url: str) -> None:
    client = connect(server_url, connections=2)
    replies = await asyncio.gather(*(client.ping() for _ in range(50)))
    await disconnect(client)
    assert replies == [True] * 50


async def test_a_blocking_read_outlasts_the_usual_timeout(
    redis_client: Redis, server_url: str
) -> None:
    await redis_client.xgroup_create("stream", "readers", mkstream=True)
    client = connect_blocking(server_url, block_ms=60_000)
    assert isinstance(client, Redis)
    reading = asyncio.ensure_future(
        client.xreadgroup("readers", "one", {"stream": ">"}, count=1, block=60_000)
    )
    while not await is_blocked(redis_client):
        await asyncio.sleep(0)
    await redis_client.xadd("stream", {"job": "1"})
    reply = await reading
    await disconnect(client)
    assert isinstance(reply, list)
    assert reply[0][0] == b"stream"


async def is_blocked(client: Redis) -> bool:
    return int((await client.info("clients"))["blocked_clients"]) == 1


async def test_replies_have_the_shapes_the_ledger_reads(redis_client: Redis) -> None:
    await redis_client.zadd("z", {"a": 1, "b": 2})
    await redis_client.xgroup_create("s", "g", mkstream=True)
    entry = await redis_client.xadd("s", {"k": b"\xff"})
    assert await redis_client.zrange("z", 0, -1, withscores=True) == [(b"a", 1.0), (b"b", 2.0)]
    read = await redis_client.xreadgroup("g", "c", {"s": ">"}, count=10)
    assert read == [[b"s", [(entry, {b"k": b"\xff"})]]]
    claimed = await redis_client.xautoclaim("s", "g", "c", min_idle_time=0)
    assert claimed == [b"0-0", [(entry, {b"k": b"\xff"})], []]
    assert await redis_client.eval("return {1, 'a', false}", 0) == [1, b"a", None]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(
            "redis://us%40er:p%3Aw@h:7/3",
            {"host": "h", "port": 7, "db": 3, "username": "us@er", "password": "p:w"},
            id="tcp",
        ),
        pytest.param("unix://:pw@/a%20b/s", {"path": "/a b/s", "password": "pw"}, id="unix"),
        pytest.param(
            "rediss://h/?ssl_ca_certs=/ca.pem", {"host": "h", "ssl_ca_certs": "/ca.pem"}, id="tls"
        ),
        pytest.param("redis://[::1]:6/0", {"host": "::1", "port": 6, "db": 0}, id="ipv6"),
    ],
)
def test_an_address_is_read_as_redis_py_reads_it(url: str, expected: dict[str, object]) -> None:
    client = connect(url, reply_timeout_ms=REPLY_TIMEOUT_MS)
    assert isinstance(client, Redis)
    options = client.connection_pool.connection_kwargs
    assert {name: options.get(name) for name in expected} == expected
    assert options["decode_responses"] is False
    assert options["socket_timeout"] == 2.0
    assert "protocol" not in options
    assert options["retry"].get_retries() == 0


async def test_a_sentinel_address_is_read() -> None:
    url = "redis+sentinel://u:p@h1,h2:27000/service/2?sentinel_password=s"
    client = connect(url)
    assert isinstance(client, Redis)
    options = client.connection_pool.connection_kwargs
    assert (options["db"], options["password"]) == (2, "p")
    pool = client.connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    sentinels = [its.connection_pool.connection_kwargs for its in pool.sentinel_manager.sentinels]
    assert [(its["host"], its["port"], its["password"]) for its in sentinels] == [
        ("h1", 26379, "s"),
        ("h2", 27000, "s"),
    ]
    assert {its["retry"].get_retries() for its in [options, *sentinels]} == {0}
    await disconnect(client)


async def test_a_cluster_address_is_read() -> None:
    client = connect("rediss+cluster://:p@h1:1,h2")
    assert isinstance(client, RedisCluster)
    assert [(node.host, node.port) for node in client.startup_nodes] == [("h1", 1), ("h2", 6379)]
    assert client.connection_kwargs["password"] == "p"
    assert {node.connection_class for node in client.startup_nodes} == {TlsConnection}
    assert client.retry.get_retries() == 0
    await disconnect(client)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("http://h", "no scheme", id="scheme"),
        pytest.param("redis+magic://h", "no scheme", id="kind"),
        pytest.param("redis+sentinel://h1,h2", "name of the service", id="service"),
        pytest.param("redis+cluster://h1,,h2", "no host", id="empty host"),
        pytest.param("redis+cluster://h:p", "Port could not", id="port"),
        pytest.param("redis+cluster://h/4", "database 0", id="cluster database"),
        pytest.param("redis://h?decode_responses=1", "decode_responses is no option", id="option"),
        pytest.param("redis://h?protocol=3", "protocol is no option", id="protocol"),
        pytest.param("redis://[::1", "well formed", id="bracket"),
        pytest.param("redis://h/abc", "no number of a database", id="database"),
    ],
)
def test_a_wrong_address_is_refused_in_a_sentence(url: str, message: str) -> None:
    with pytest.raises(RedisAddressError, match=message):
        connect(url)


def test_a_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(RedisAddressError) as caught:
        connect("redis+cluster://user:hunter2@h:port")
    assert "hunter2" not in str(caught.value)


async def test_a_server_as_we_start_it_is_fit(durable_client: Redis) -> None:
    assert await check_server(durable_client) == []


async def test_a_server_that_evicts_is_refused(redis_client: Redis) -> None:
    await redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(UnfitServerError, match="CONFIG SET maxmemory-policy noeviction"):
            await require_fit_server(redis_client)
    finally:
        await redis_client.config_set("maxmemory-policy", "noeviction")


@pytest.fixture(params=server_names())
def lone_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server of the test's own, for settings that others must not see."""
    found = require_server(request.param)
    with EmbeddedServer(tmp_path / "data", found=found, tcp_port=free_port()) as server:
        yield server


async def test_a_server_without_a_file_is_warned_about(lone_server: EmbeddedServer) -> None:
    client = connect(lone_server.url)
    await client.config_set("appendonly", "no")
    findings = await require_fit_server(client)
    assert [(its.subject, its.severity) for its in findings] == [("appendonly", Severity.WARN)]
    assert await check_server(client, allow_volatile=True) == []
    await disconnect(client)


async def test_a_replica_is_refused(lone_server: EmbeddedServer) -> None:
    client = connect(lone_server.url)
    await client.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    with pytest.raises(UnfitServerError, match=r"redis\+sentinel"):
        await require_fit_server(client)
    await disconnect(client)


async def test_a_server_that_forbids_to_be_asked_is_warned_about(
    lone_server: EmbeddedServer,
) -> None:
    admin = connect(lone_server.url)
    await admin.execute_command(
        *["ACL", "SETUSER", "guest", "on", ">pw", "~*", "&*", "+@all", "-info", "-config"]
    )
    assert lone_server.tcp_url is not None
    guest = connect("redis://guest:pw@" + lone_server.tcp_url.rpartition("@")[2])
    findings = await require_fit_server(guest)
    assert {its.severity for its in findings} == {Severity.WARN}
    assert {its.subject for its in findings} == {"version", "maxmemory-policy", "appendonly"}
    await disconnect(guest)
    await disconnect(admin)


@pytest.mark.parametrize(
    ("facts", "is_fit"),
    [
        pytest.param({"redis_version": "6.2.14"}, False, id="redis 6.2"),
        pytest.param({"redis_version": "7.0.0"}, True, id="redis 7.0"),
        pytest.param({"redis_version": "7.2.4", "valkey_version": "7.2.5"}, True, id="valkey"),
        pytest.param({"redis_version": "7.2.4", "valkey_version": "7.1.0"}, False, id="too old"),
        pytest.param({"redis_version": "8.2.3", "loading": 1}, False, id="loading"),
    ],
)
async def test_versions_and_loading(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, object], *, is_fit: bool
) -> None:
    good = {"maxmemory_policy": "noeviction", "aof_enabled": 1, "role": "master", "loading": 0}

    async def told(_client: object) -> dict[str, dict[str, object]]:
        return {"": good | facts}

    monkeypatch.setattr("adapters.redis.fitness._facts", told)
    client = connect("redis://nowhere")
    assert ((await check_server(client)) == []) is is_fit


@pytest.mark.cluster
@pytest.mark.slow
async def test_a_cluster_is_reached_checked_and_scripted(tmp_path: Path) -> None:
    require_server("embedded")
    with redis_cluster(tmp_path) as servers:
        client = connect(cluster_url(servers))
        assert isinstance(client, RedisCluster)
        assert await check_server(client) == []
        script = client.register_script("return redis.call('INCR', KEYS[1])")
        for portfolio in "abcdef":
            assert await script(keys=[f"ps:{{{portfolio}}}:n"]) == 1
        owners = {client.get_node_from_key(f"ps:{{{name}}}:n") for name in "abcdef"}
        assert len(owners) > 1
        assert {node.connection_class for node in client.get_nodes()} == {TcpConnection}
        for node in client.get_primaries():
            await client.config_set("maxmemory-policy", "allkeys-lru", target_nodes=node)
        with pytest.raises(UnfitServerError, match=r"at 127\.0\.0\.1"):
            await require_fit_server(client)
        await disconnect(client)


@pytest.fixture
def sentinel_port(lone_server: EmbeddedServer, tmp_path: Path) -> Iterator[int]:
    """A sentinel that watches the server."""
    assert lone_server.tcp_url is not None
    assert lone_server.binary is not None
    password, _, address = lone_server.tcp_url.removeprefix("redis://:").rpartition("@")
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\n"
        f"sentinel monitor penstock {address.replace(':', ' ')} 1\n"
        f"sentinel auth-pass penstock {password}\n"
    )
    process = subprocess.Popen(
        [os.fspath(lone_server.binary), os.fspath(config), "--sentinel"],
        stdout=subprocess.DEVNULL,
    )
    yield port
    process.terminate()
    process.wait()


@pytest.mark.slow
async def test_the_master_is_found_through_a_sentinel(
    lone_server: EmbeddedServer, sentinel_port: int
) -> None:
    password = (lone_server.tcp_url or "").removeprefix("redis://:").rpartition("@")[0]
    url = f"redis+sentinel://:{password}@127.0.0.1:{free_port()},127.0.0.1:{sentinel_port}/penstock"
    client = connect(url)
    async with asyncio.timeout(20):
        while not await is_found(client):
            await asyncio.sleep(0.02)  # the sentinel needs a moment to know its master
    assert isinstance(client, Redis)
    assert await client.incr("jobs") == 1
    assert client.connection_pool.connection_class is MasterConnection
    assert await check_server(client) == []
    await disconnect(client)


async def is_found(client: Redis | RedisCluster) -> bool:
    try:
        return bool(await client.ping())
    except redis.exceptions.ConnectionError:
        return False


async def test_a_cluster_of_which_no_node_answers_is_away_as_one_server_is() -> None:
    client = connect("redis+cluster://127.0.0.1:1,127.0.0.1:2")
    try:
        with pytest.raises(redis.exceptions.ConnectionError):
            await client.get("a")
        pipeline = client.pipeline(transaction=False)
        pipeline.get("a")
        with pytest.raises(redis.exceptions.ConnectionError):
            await pipeline.execute()
        with pytest.raises(LedgerAwayError):
            await Scripts(client).run([Call("claim", "{a}", ()), Call("claim", "{b}", ())])
    finally:
        await disconnect(client)


async def test_a_slot_that_no_node_has_is_away_too() -> None:
    """As after the loss of a node that has no replica."""
    with pytest.raises(redis.exceptions.ConnectionError, match="not covered"), as_of_one_server():
        raise redis.exceptions.SlotNotCoveredError("Slot 7 is not covered by the cluster.")
