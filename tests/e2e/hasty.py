"""The program with other deadlines than production's: `python -m tests.e2e.hasty`.

HASTE names them, as JSON: {"adapters.house.serving.LAST_CALLS_S": 2}. What is waited for stays the
same; only how long it lasts does not.
"""

import importlib
import json
import os

from adapters.main import main

HASTE = "TEST_HASTE"


def hurry(deadlines: dict[str, float]) -> None:
    """Set constants by their whole names; one that is not there any more is an error."""
    for name, value in deadlines.items():
        module, _, constant = name.rpartition(".")
        room = importlib.import_module(module)
        assert constant in vars(room), name
        setattr(room, constant, value)


if __name__ == "__main__":
    hurry(json.loads(os.environ[HASTE]))
    main()
