"""Run the benchmarks: `python -m benchmarks.run [--smoke] [--only ROW ...] [--list]`.

Prints one table, writes benchmarks/results and, after a full run, the table of the README.
Exit status 1: a row failed or, in a full run, a figure lies below its floor.
"""

import argparse
import asyncio
import sys
import traceback
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import uvloop
from rich.console import Console

from benchmarks import figures, machine, plot, report
from benchmarks.engine_under_test import NotBuiltError
from benchmarks.figures import Figure, Verdict
from benchmarks.report import Record
from benchmarks.rig import Rig, open_rig
from benchmarks.rows import (
    bare_client,
    enqueue,
    growth,
    idle,
    idle_portfolios,
    memory,
    peers,
    rate_accuracy,
    redis_cpu,
    single_send,
    sink_capacity,
    webhooks,
    worker_cpu,
)


class Measure(Protocol):
    """What each module of benchmarks.rows offers."""

    async def __call__(self, rig: Rig, *, smoke: bool) -> list[Figure]:
        """Measure, and return figures in the order they are to be read."""
        ...


class Row(NamedTuple):
    """One row and its name on the command line."""

    name: str
    measure: Measure


# Peers before worker_cpu, which compares itself with the best of them.
ROWS = (
    Row(sink_capacity.NAME, sink_capacity.measure),
    Row(bare_client.NAME, bare_client.measure),
    Row(peers.NAME, peers.measure),
    Row(worker_cpu.NAME, worker_cpu.measure),
    Row(redis_cpu.NAME, redis_cpu.measure),
    Row(webhooks.NAME, webhooks.measure),
    Row(enqueue.NAME, enqueue.measure),
    Row(memory.NAME, memory.measure),
    Row(single_send.NAME, single_send.measure),
    Row(rate_accuracy.NAME, rate_accuracy.measure),
    Row(idle.NAME, idle.measure),
    Row(idle_portfolios.NAME, idle_portfolios.measure),
    Row(growth.NAME, growth.measure),
)


async def measure_all(rows: Sequence[Row], chosen: argparse.Namespace) -> Record:
    """Measure row after row on one rig; a row that fails does not end the others."""
    console = Console(stderr=True)
    started_at = figures.now()
    async with open_rig(has_append_only_file=chosen.append_only_file) as rig:
        facts = machine.facts(f"{rig.server.flavour} {rig.server.version}")
        for row in rows:
            console.print(f"measuring {row.name} ...", style="dim")
            rig.results += await measure_one(row, rig, smoke=chosen.smoke)
    settings = {"append only file": "everysec" if chosen.append_only_file else "off"}
    return Record(
        machine=facts,
        started_at=started_at,
        smoke=chosen.smoke,
        settings=settings,
        figures=rig.results,
    )


async def measure_one(row: Row, rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return the figures of one row, or why there are none."""
    try:
        return await row.measure(rig, smoke=smoke)
    except NotBuiltError as error:
        return figures.missing(row.name, Verdict.NOT_BUILT, str(error))
    except Exception as error:  # noqa: BLE001  whatever it is, it is this row's result
        traceback.print_exc()
        return figures.missing(row.name, Verdict.FAILED, f"{type(error).__name__}: {error}")


def chosen_rows(names: Sequence[str]) -> list[Row]:
    """Return the rows of these names in their fixed order; all of them for none."""
    unknown = set(names) - {row.name for row in ROWS}
    if unknown:
        raise SystemExit(f"no such row: {', '.join(sorted(unknown))}; see --list")
    return [row for row in ROWS if not names or row.name in names]


def publish(record: Record, rows: Sequence[Row]) -> Record:
    """Keep the record; a full one also enters the plot and the README."""
    if not record.smoke:
        record = report.merged(report.kept(), record, {row.name for row in rows})
        text = report.README.read_text(encoding="utf-8")
        report.README.write_text(
            report.put_between_markers(text, report.markdown(record)), encoding="utf-8"
        )
        plot.draw(record)
    report.keep(record)
    return record


def is_good(record: Record) -> bool:
    """Whether nothing failed and, in a full run, nothing lies below its floor."""
    bad = {Verdict.FAILED} if record.smoke else {Verdict.FAILED, Verdict.BELOW_FLOOR}
    return not any(figure.verdict in bad for figure in record.figures)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="seconds: does it run at all?")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--append-only-file", action="store_true", help="Redis writes its AOF")
    chosen = parser.parse_args()
    if chosen.list:
        print("\n".join(row.name for row in ROWS))
        return
    rows = chosen_rows(chosen.only)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        record = runner.run(measure_all(rows, chosen))
    report.show(publish(record, rows), Console(width=None if sys.stdout.isatty() else 150))
    raise SystemExit(0 if is_good(record) else 1)


if __name__ == "__main__":
    main()
