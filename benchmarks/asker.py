"""A worker that asks for jobs and tells how they ended, with no HTTP in between."""

import asyncio
import secrets

from engine.model import JobKey, PortfolioId, RecipientKey
from engine.outcomes import Accepted
from engine.ports import Ask, Ledger, Settlement

Settled = tuple[JobKey, int, RecipientKey, str]  # with attempt and wamid

WAMID_CHARACTERS = 58  # of Meta's own
ASKED_IN_VAIN_MAX = 10_000
ASK_AGAIN_S = 0.001


async def work(
    ledger: Ledger, portfolio: PortfolioId, batch: int, jobs: int, settled: list[Settled]
) -> int:
    """Claim and settle `jobs` as accepted, `batch` a call; add them to `settled`, return how many.

    As a busy worker does it: a wish tells how the jobs of the one before it ended.
    """
    worker = f"bench-{secrets.token_hex(4)}"
    done = counter = sequence = in_vain = 0
    told: list[Settlement] = []
    while done < jobs and in_vain < ASKED_IN_VAIN_MAX:
        counter += 1
        most = max(0, min(batch, jobs - done - len(told)))
        ask = Ask(portfolio, worker, counter, most, batch, sequence, told)
        (answer,) = await ledger.claim([ask])
        sequence = answer.sequence
        done += len(told) - len(answer.ignored)
        told = []
        if not answer.jobs:
            in_vain += 1
            await asyncio.sleep(ASK_AGAIN_S)
            continue
        in_vain = 0
        for job in answer.jobs:
            wamid = f"wamid.HBgM{len(settled):012d}".ljust(WAMID_CHARACTERS, "A")
            told.append(Settlement(job.key, job.attempt, Accepted(wamid)))
            settled.append((job.key, job.attempt, job.recipient, wamid))
    return done
