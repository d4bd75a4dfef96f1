"""What the tests of the Cloud API client share."""

from collections.abc import AsyncIterator

import pytest

from adapters.meta.client import build_session
from tests.edge.meta_graph import Desk, FakeGraph


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """Give a client on a fake Graph of its own."""
    async with FakeGraph() as graph, build_session() as session:
        yield Desk(graph, session)
