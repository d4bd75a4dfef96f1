"""Form a real cluster of embedded servers, for the tests that need more than one slot owner."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis

from adapters.redis.embedded import EmbeddedServer
from tests.redis_servers import free_port

SLOTS: Final = 16_384
PASSWORD: Final = "cluster"
FORM_TIMEOUT_S: Final = 30.0
LOOK_EVERY_S: Final = 0.02
NODE_TIMEOUT_MS: Final = "15000"  # no test is about a lost node: a busy machine loses none


@contextmanager
def redis_cluster(directory: Path, nodes: int = 3) -> Generator[list[EmbeddedServer], None, None]:
    """Give the running nodes of a cluster that covers every slot, and stop them afterwards."""
    servers = start_cluster(directory, nodes)
    try:
        yield servers
    finally:
        stop_all(servers)


def cluster_url(servers: list[EmbeddedServer]) -> str:
    """Return the address that `connect` takes."""
    hosts = ",".join(_address(server) for server in servers)
    return f"redis+cluster://:{PASSWORD}@{hosts}"


def start_cluster(directory: Path, nodes: int = 3) -> list[EmbeddedServer]:
    """Return the nodes, running, each with its share of the slots and knowing the others."""
    servers: list[EmbeddedServer] = []
    try:
        for number in range(nodes):
            server = EmbeddedServer(
                directory / f"node-{number}",
                tcp_port=free_port(),
                password=PASSWORD,
                cluster_enabled=True,
                directives={
                    "cluster-port": str(free_port()),
                    "cluster-node-timeout": NODE_TIMEOUT_MS,
                },
            )
            server.start()
            servers.append(server)
        _join(servers)
    except BaseException:
        stop_all(servers)
        raise
    return servers


def stop_all(servers: list[EmbeddedServer]) -> None:
    """Stop every node."""
    for server in servers:
        server.stop()


def _address(server: EmbeddedServer) -> str:
    return (server.tcp_url or "").rpartition("@")[2]


def _join(servers: list[EmbeddedServer]) -> None:
    clients = [redis.Redis.from_url(server.url) for server in servers]
    try:
        for number, client in enumerate(clients):
            first = SLOTS * number // len(clients)
            last = SLOTS * (number + 1) // len(clients) - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server in servers[1:]:
            host, _, port = _address(server).partition(":")
            bus_port = _configured(redis.Redis.from_url(server.url), "cluster-port")
            clients[0].execute_command("CLUSTER", "MEET", host, port, bus_port)
        _await_ok(clients)
    finally:
        for client in clients:
            client.close()


def _configured(client: redis.Redis, directive: str) -> str:
    reply: Any = client.config_get(directive)
    client.close()
    return str(reply[directive])


def _await_ok(clients: list[redis.Redis]) -> None:
    deadline_s = time.monotonic() + FORM_TIMEOUT_S
    while not all(_is_ok(client, len(clients)) for client in clients):
        assert time.monotonic() < deadline_s, "the cluster did not form"
        time.sleep(LOOK_EVERY_S)


def _is_ok(client: redis.Redis, nodes: int) -> bool:
    reply: Any = client.execute_command("CLUSTER", "INFO")
    lines = set(bytes(reply).split())
    return b"cluster_state:ok" in lines and b"cluster_known_nodes:%d" % nodes in lines
