"""Prometheus's own programs: taken from Debian by .ci/run, or a reason to skip at a desk."""

import os
import shutil

import pytest

from tests.redis_servers import in_ci


def require_tool(name: str) -> str:
    """Return the path of `promtool` or `prometheus`; fail in CI unless it said it has none."""
    found = shutil.which(name)
    if found is None:
        why = f"no {name} on PATH: `apt-get install prometheus`, or unpack it as .ci/run does"
        if in_ci() and "PENSTOCK_TEST_WITHOUT_PROMTOOL" not in os.environ:
            pytest.fail(f"{why}; PENSTOCK_CI=1")
        pytest.skip(why)
    return found
