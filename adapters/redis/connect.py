"""Make the one kind of client the ledger may use, from whatever address the operator has."""

from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from adapters.redis.cluster_client import Cluster
from adapters.redis.connections import BY_SCHEME, TcpConnection, TlsConnection

Client = Redis | RedisCluster

CONNECTIONS: Final = 64
"""Of one client; a batch holds one for a round trip, and whoever finds none waits for it."""
UNBLOCKED_CONNECTIONS: Final = 1_024
"""Sentinel and cluster pools refuse instead of wait, so their bound is where nobody comes."""
REPLY_TIMEOUT_MS: Final = 2_000
CONNECT_TIMEOUT_MS: Final = 2_000
FREE_CONNECTION_TIMEOUT_MS: Final = 1_000
BLOCK_MARGIN_MS: Final = 5_000
"""How much longer than its BLOCK a blocking read may take before the connection counts as dead."""
HEALTH_CHECK_EVERY_S: Final = 15
SENTINEL_PORT: Final = 26_379
REDIS_PORT: Final = 6_379

OPTIONS: Final = frozenset({"db", "password", "username", "client_name"})
SENTINEL_OPTIONS: Final = frozenset({"sentinel_username", "sentinel_password"})


class RedisAddressError(ValueError):
    """The address cannot be used; the message says what is wrong with it, without its password."""


def connect(
    url: str, *, connections: int = CONNECTIONS, reply_timeout_ms: int = REPLY_TIMEOUT_MS
) -> Client:
    """Return a client for `url`; it connects at its first command.

    It never repeats a command by itself: redis-py would send it up to ten times when a reply is
    lost, and only our scripts know which of them may run twice. A lost reply is an error of
    redis-py, and the command *may have run*. Replies stay bytes. `protocol` stays unset, because
    passing it changes the Python types of replies. Close the client with `disconnect`.
    """
    parts = _split(url)
    scheme, _, kind = parts.scheme.partition("+")
    if parts.scheme not in BY_SCHEME:
        raise RedisAddressError(
            f"{parts.scheme!r} is no scheme of a Redis address: use redis, rediss, unix, "
            "redis+sentinel or redis+cluster"
        )
    options = _url_options(parts, scheme) | _fixed_options(reply_timeout_ms)
    if kind == "sentinel":
        return _sentinel_master(parts, options)
    if kind == "cluster":
        return _cluster(parts, options)
    options["connection_class"] = BY_SCHEME[scheme]
    pool = BlockingConnectionPool(
        max_connections=connections, timeout=FREE_CONNECTION_TIMEOUT_MS / 1000, **options
    )
    return Redis.from_pool(pool)


def connect_blocking(url: str, *, block_ms: int, connections: int = 1) -> Client:
    """Return a client for reads that block for `block_ms`; never share it with `connect`'s."""
    return connect(url, connections=connections, reply_timeout_ms=block_ms + BLOCK_MARGIN_MS)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:  # such as a bracket that does not close
        raise RedisAddressError(f"The Redis address is not well formed: {error}") from error


async def disconnect(client: Client) -> None:
    """Close every connection of a client that `connect` made."""
    await client.aclose()
    if isinstance(client, RedisCluster):
        return
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def _fixed_options(reply_timeout_ms: int) -> dict[str, Any]:
    """Return what no address may change; each default of redis-py 8 would hurt here."""
    return {
        "socket_timeout": reply_timeout_ms / 1000,
        "socket_connect_timeout": CONNECT_TIMEOUT_MS / 1000,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
        "health_check_interval": HEALTH_CHECK_EVERY_S,
    }


def _url_options(parts: SplitResult, scheme: str) -> dict[str, Any]:
    """Return credentials, database, TLS and first host as redis-py's own parser reads them."""
    userinfo, at, hosts = parts.netloc.rpartition("@")
    path = parts.path
    if parts.scheme.endswith("+sentinel"):
        path = parts.path.removeprefix("/").partition("/")[2]  # what follows the service
    database = path.removeprefix("/")
    if scheme != "unix" and database and not (database.isascii() and database.isdigit()):
        raise RedisAddressError(f"{database!r} is no number of a database: leave it out, or /0")
    first_host = hosts.partition(",")[0]
    plain = parts._replace(scheme=scheme, netloc=userinfo + at + first_host, path=path)
    try:
        options: dict[str, Any] = dict(parse_url(plain.geturl()))
    except ValueError as error:
        raise RedisAddressError(f"The Redis address is not well formed: {error}") from error
    if scheme != "unix" and parts.scheme == scheme:
        # Keepalive finds a silent network between two commands; a unix socket has none.
        options["socket_keepalive"] = True
    allowed = OPTIONS | {"host", "port", "path", "connection_class", "socket_keepalive"}
    if parts.scheme.endswith("+sentinel"):
        allowed |= SENTINEL_OPTIONS
    for name in options:
        if name not in allowed and not name.startswith("ssl_"):
            raise RedisAddressError(
                f"{name} is no option of a Redis address: use {', '.join(sorted(OPTIONS))} or ssl_*"
            )
    return options


def _hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    """Return the hosts of an address that names several."""
    hosts: list[tuple[str, int]] = []
    for text in parts.netloc.rpartition("@")[2].split(","):
        try:
            one = urlsplit(f"//{text}")
            host, port = one.hostname, one.port
        except ValueError as error:
            raise RedisAddressError(f"{text!r} in the Redis address: {error}") from error
        if not host:
            raise RedisAddressError("The Redis address names no host, or an empty one")
        hosts.append((host, port or default_port))
    return hosts


def _without_first_host(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options for a client that finds its hosts itself, TLS as redis-py wants it."""
    mine = {name: value for name, value in options.items() if name not in {"host", "port"}}
    if mine.pop("connection_class", None) is not None:
        mine["ssl"] = True
    return mine | {"socket_keepalive": True, "max_connections": UNBLOCKED_CONNECTIONS}


def _sentinel_master(parts: SplitResult, options: dict[str, Any]) -> Redis:
    """Return a client of whatever server the sentinels call the master."""
    service = parts.path.removeprefix("/").partition("/")[0]
    if not service:
        raise RedisAddressError(
            "A sentinel address ends with the name of the service: redis+sentinel://h1,h2/service"
        )
    mine = _without_first_host(options)
    credentials = {
        name.removeprefix("sentinel_"): mine.pop(name) for name in SENTINEL_OPTIONS & mine.keys()
    }
    shared = {
        name: value
        for name, value in mine.items()
        if name.startswith(("socket_", "ssl")) or name == "retry"
    }
    manager = Sentinel(
        _hosts(parts, SENTINEL_PORT), sentinel_kwargs={**shared, **credentials}, **mine
    )
    master: Redis = manager.master_for(service, connection_class=BY_SCHEME[parts.scheme])
    return master


def _cluster(parts: SplitResult, options: dict[str, Any]) -> RedisCluster:
    """Return a client that learns the other nodes from any of those named."""
    mine = _without_first_host(options)
    if mine.pop("db", 0):
        raise RedisAddressError("A cluster has only database 0: leave the number out")
    nodes = [ClusterNode(host, port) for host, port in _hosts(parts, REDIS_PORT)]
    client = Cluster(startup_nodes=nodes, **mine)
    # There is no argument for the class of the connections; nodes found later read the mapping.
    kind = TlsConnection if parts.scheme.startswith("rediss") else TcpConnection
    client.connection_kwargs["connection_class"] = kind
    for node in client.startup_nodes:
        node.connection_class = kind
    return client
