"""Run many seeds: `python -m tests.simulation --fortnights 100 --histories 10000`."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.suite import Report, run_fortnights, run_histories

DEFAULT_SEEDS = 20
HISTORIES_PER_SEED = 100


def main() -> int:
    """Return 0 when every promise held in every seed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--fortnights", nargs="?", type=int, const=0, metavar="N")
    parser.add_argument("--histories", nargs="?", type=int, const=0, metavar="N")
    parser.add_argument("--seeds", type=int, default=DEFAULT_SEEDS, help="where no N is given")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    asked = parser.parse_args()
    if asked.fortnights is None and asked.histories is None:
        asked.fortnights = asked.histories = 0
    is_good = True
    if asked.fortnights is not None:
        seeds = range(asked.seed, asked.seed + (asked.fortnights or asked.seeds))
        began = time.perf_counter()
        report = run_fortnights(seeds, asked.workers)
        is_good &= _tell("fortnights", seeds, report, time.perf_counter() - began)
    if asked.histories is not None:
        count = asked.histories or asked.seeds * HISTORIES_PER_SEED
        seeds = range(asked.seed, asked.seed + count)
        began = time.perf_counter()
        report = run_histories(seeds, asked.workers)
        is_good &= _tell("histories", seeds, report, time.perf_counter() - began)
    return 0 if is_good else 1


def _tell(what: str, seeds: range, report: Report, took_s: float) -> bool:
    out = sys.stdout.write
    out(f"{len(seeds)} {what} from seed {seeds.start} in {took_s:.0f} s")
    if report.sent:
        out(f", {report.sent} messages, lowest share {report.share:.5f}")
        out(f", longest gap {report.gap_ms} ms")
    out(f": {len(report.faults) or 'no'} faults\n")
    for fault in report.faults[:40]:
        out(f"  {fault}\n")
    out(f"  met: {', '.join(sorted(report.seen))}\n")
    return not report.faults


if __name__ == "__main__":
    sys.exit(main())
