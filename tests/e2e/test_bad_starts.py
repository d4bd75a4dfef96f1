"""What cannot work refuses to start, names what is wrong, and says what to do about it."""

import asyncio
import signal
import socket
from pathlib import Path

import pytest

from adapters.live import addresses_of
from adapters.redis.embedded import EmbeddedServer
from adapters.settings import REMEDIES, load_settings
from tests.e2e.fleet import START_S, a_process, an_environment
from tests.redis_servers import free_port, require_server
from tests.tcp_proxy import CHUNK_BYTES, TcpProxy

pytestmark = [pytest.mark.one_server, pytest.mark.timeout(180)]

WRONG = {
    "graph_url": "http://graph.facebook.com",
    "graph_version": "25",
    "listen": "8080",
    "window_seconds": "0",
    "concurrency": "0",
    "lease_seconds": "20",
    "doubt_seconds": "0",
    "meta_app_secret": "one,two,three",
    "gates_off": "qouta",
}
TOO_OLD = (b"valkey_version:9.", b"valkey_version:7.")  # 7.0 and 7.1 were never enough


class AgeingProxy(TcpProxy):
    """A proxy that lets the server behind it look older than it is."""

    async def _pump_replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk.replace(*TOO_OLD))
            await writer.drain()


async def refused(directory: Path, *words: str, **settings: str) -> tuple[int | None, str]:
    """Return status and words of a start that must not succeed."""
    process = await a_process(an_environment(directory, **settings), *words)
    printed, logged = await asyncio.wait_for(process.communicate(), START_S)
    said = (printed + logged).decode()
    assert "Traceback" not in said
    return process.returncode, said


@pytest.mark.parametrize("command", ["run", "serve", "worker", "config"])
async def test_everything_wrong_in_the_settings_is_named_with_its_remedy(
    tmp_path: Path, command: str
) -> None:
    environment = {f"PENSTOCK_{name.upper()}": text for name, text in WRONG.items()}
    status, said = await refused(tmp_path, command, **environment)
    assert status == 2
    for name in WRONG:
        assert f"wrong setting: {name} = " in said, said
        assert REMEDIES[name] in said, said


@pytest.mark.parametrize("command", ["run", "serve", "worker"])
async def test_without_redis_it_says_where_it_looked_and_what_to_do(
    tmp_path: Path, command: str
) -> None:
    url = f"redis://:hidden-word@127.0.0.1:{free_port()}"
    status, said = await refused(tmp_path, command, PENSTOCK_REDIS_URL=url)
    assert status == 1
    assert "cannot start: no answer from Redis at redis://***@127.0.0.1" in said
    assert "Start it, or set PENSTOCK_REDIS_URL" in said
    assert "hidden-word" not in said


@pytest.mark.redis
@pytest.mark.parametrize(
    ("words", "named_by"),
    [
        (["run", "--listen"], "PENSTOCK_LISTEN (--listen)"),
        (["worker", "--metrics-listen"], "PENSTOCK_METRICS_LISTEN (--metrics-listen)"),
        (["sandbox", "--port"], "--port"),
    ],
)
async def test_where_somebody_listens_already_is_said_and_nothing_was_claimed(
    tmp_path: Path, words: list[str], named_by: str
) -> None:
    require_server("embedded")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        where = address if words[0] != "sandbox" else address.rpartition(":")[2]
        status, said = await refused(tmp_path, *words, where)
    assert status == 1
    assert f"nobody can listen at {address}: address already in use. Set {named_by}" in said
    assert "drained" not in said  # there was nothing yet to give back
    assert "Unclosed" not in said


async def test_an_address_of_nobody_is_said_too(tmp_path: Path) -> None:
    status, said = await refused(tmp_path, "run", PENSTOCK_LISTEN="nobody.invalid:80")
    assert status == 1
    assert "nobody can listen at nobody.invalid:80: no such host. Set PENSTOCK_LISTEN" in said


async def test_several_workers_whose_ports_do_not_suffice_are_refused(tmp_path: Path) -> None:
    listen = {"PENSTOCK_METRICS_LISTEN": "127.0.0.1:65534"}
    status, said = await refused(tmp_path, "worker", "--processes", "3", **listen)
    assert status == 2
    assert "wrong setting: metrics_listen = 127.0.0.1:65534: lower its port" in said
    its = load_settings({"metrics_listen": "[::1]:0"}, {}, tmp_path)
    assert addresses_of(its, 2) == ["[::1]:0", "[::1]:0"]


@pytest.mark.redis
@pytest.mark.parametrize("setting", ["PENSTOCK_DATA_DIR", "PENSTOCK_EXPORT_DIR"])
async def test_a_directory_that_cannot_be_written_to_is_refused(
    tmp_path: Path, server_url: str, setting: str
) -> None:
    (tmp_path / "file").touch()
    settings = {"PENSTOCK_REDIS_URL": server_url, setting: str(tmp_path / "file" / "below")}
    status, said = await refused(tmp_path, "worker", **settings)
    assert status == 1
    assert f"cannot be written to: Not a directory. Set {setting} to" in said


async def test_a_kept_key_of_the_seal_that_is_none_is_refused(
    tmp_path: Path, server_url: str
) -> None:
    (tmp_path / "secret.key").write_text("\n")
    status, said = await refused(tmp_path, "worker", PENSTOCK_REDIS_URL=server_url)
    assert status == 1
    assert "secret.key holds no key: put back the one that sealed the tokens" in said


@pytest.mark.redis
async def test_a_redis_that_evicts_is_refused(tmp_path: Path) -> None:
    require_server("embedded")
    evicting = {"maxmemory-policy": "allkeys-lru", "maxmemory": "100mb"}
    with EmbeddedServer(tmp_path / "redis", directives=evicting) as server:
        status, said = await refused(tmp_path, "run", PENSTOCK_REDIS_URL=server.url)
    assert status == 1
    assert "evicts keys when it is full (maxmemory-policy allkeys-lru)" in said
    assert "CONFIG SET maxmemory-policy noeviction" in said


@pytest.mark.redis
async def test_a_redis_that_is_too_old_is_refused(tmp_path: Path) -> None:
    if require_server("embedded").flavour != "valkey":
        pytest.skip("only Valkey's version is made older here")
    port = free_port()
    with EmbeddedServer(tmp_path / "redis", tcp_port=port) as server:
        async with AgeingProxy(("127.0.0.1", port)) as proxy:
            url = (server.tcp_url or "").replace(str(port), str(proxy.port))
            status, said = await refused(tmp_path, "run", PENSTOCK_REDIS_URL=url)
    assert status == 1
    assert "is valkey 7." in said
    assert "Use Redis >= 7.0 or Valkey >= 7.2." in said


@pytest.mark.redis
async def test_a_redis_without_a_file_is_warned_about_and_used(tmp_path: Path) -> None:
    require_server("embedded")
    with EmbeddedServer(tmp_path / "redis", directives={"appendonly": "no"}) as server:
        environment = an_environment(
            tmp_path,
            PENSTOCK_REDIS_URL=server.url,
            PENSTOCK_LISTEN=f"127.0.0.1:{free_port()}",
        )
        process = await a_process(environment, "run")
        try:
            said = await read_until_started(process)
        finally:
            process.send_signal(signal.SIGTERM)
            rest = await asyncio.wait_for(process.communicate(), START_S)
    assert process.returncode == 0, rest
    assert b"keeps no append-only file: a restart loses queued jobs" in said
    assert b"CONFIG SET appendonly yes" in said


async def read_until_started(process: asyncio.subprocess.Process) -> bytes:
    """Return the log up to the line that says it runs."""
    assert process.stderr is not None
    said = b""
    async with asyncio.timeout(START_S):
        while b'"started"' not in said:
            line = await process.stderr.readline()
            assert line, said
            said += line
    return said
