"""redis-py's client of a cluster, which says that a cluster is away as it says it of one server.

Its RedisClusterException (no node answers, a slot has none) is no RedisError, so whoever waits out
a server that is away would take it for a bug of ours.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterPipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException


@contextmanager
def as_of_one_server() -> Generator[None]:
    """Raise redis-py's ConnectionError for a cluster that cannot be asked."""
    try:
        yield
    except RedisClusterException as error:
        raise RedisConnectionError(str(error)) from error


class Cluster(RedisCluster):
    """A cluster whose errors are all RedisError."""

    async def initialize(self, *args: Any, **options: Any) -> Cluster:  # noqa: ANN401 (redis-py's)
        """Learn the nodes."""
        with as_of_one_server():
            await super().initialize(*args, **options)
        return self

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (redis-py's)
        """Run one command."""
        with as_of_one_server():
            return await super().execute_command(*args, **options)

    def pipeline(
        self,
        transaction: Any | None = None,  # noqa: ANN401 (redis-py's)
        shard_hint: Any | None = None,  # noqa: ANN401 (redis-py's)
    ) -> ClusterPipeline:
        """Return what runs several commands in one round trip per node."""
        del shard_hint
        # redis-py's own class has not all that its protocol names either.
        return Pipeline(self, transaction)  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]


class Pipeline(ClusterPipeline):
    """A pipeline whose errors are all RedisError."""

    async def execute(self, *args: Any, **options: Any) -> list[Any]:  # noqa: ANN401 (redis-py's)
        """Run what was gathered."""
        with as_of_one_server():
            return await super().execute(*args, **options)
