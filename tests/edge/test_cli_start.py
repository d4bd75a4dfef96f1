"""A command loads what it needs and nothing else: the command line answers at once."""

import subprocess
import sys

HEAVY = ("adapters.house", "adapters.redis", "adapters.sandbox", "aiohttp", "redis", "structlog")


def loaded(statement: str) -> set[str]:
    """Return the modules a fresh interpreter has after a statement."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    return set(ended.stdout.split())


def test_the_entry_point_loads_no_room_that_a_call_of_the_api_does_not_need() -> None:
    assert loaded("import adapters.main") & set(HEAVY) == set()


def test_what_runs_loads_all_of_them() -> None:
    assert loaded("import adapters.live") >= set(HEAVY)
