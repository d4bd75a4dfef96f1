"""The random histories run with the guard of tests/lua too."""

from collections.abc import Iterator

import pytest

from tests.lua.guarded import guarded_scripts


@pytest.fixture(autouse=True, scope="module")
def _guarded() -> Iterator[None]:
    with guarded_scripts():
        yield
