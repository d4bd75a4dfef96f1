"""A worker as it ships that also writes down each send time it is given, as it is given.

`python -m benchmarks.noted_worker FOLDER`: one file per sender and process, epoch µs as int64. They
are written before the jobs are, so that a process that is killed leaves them complete.
"""

import os
import sys
from array import array
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from adapters.main import main as penstock
from adapters.redis.ledger import RedisLedger
from engine.ports import Answer, Ask

Claim = Callable[[RedisLedger, Sequence[Ask]], Coroutine[Any, Any, list[Answer]]]


def noting(claim: Claim, folder: Path) -> Claim:
    """Return a claim that notes what it gives."""
    files: dict[str, int] = {}

    async def claim_and_note(ledger: RedisLedger, asks: Sequence[Ask]) -> list[Answer]:
        answers = await claim(ledger, asks)
        times: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        for answer in answers:
            for job in answer.jobs:
                times[job.lane.sender].append(job.send_at_us)
        for sender, given in times.items():
            if sender not in files:
                path = folder / f"{sender}.{os.getpid()}"
                files[sender] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(files[sender], given.tobytes())
        return answers

    return claim_and_note


def main() -> None:
    """Run one worker."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    setattr(RedisLedger, "claim", noting(RedisLedger.claim, folder))  # noqa: B010 (for mypy)
    sys.argv = ["penstock", "worker"]
    penstock()


if __name__ == "__main__":
    main()
