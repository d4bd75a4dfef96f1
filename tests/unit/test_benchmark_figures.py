"""Figures and report: verdicts, ratios of neighbours, and a table that survives its README."""

import pytest

from benchmarks import figures, report
from benchmarks.figures import BUDGETS, Better, Budget, Figure, Verdict
from benchmarks.machine import Machine
from benchmarks.report import Record


@pytest.mark.parametrize(
    ("value", "better", "expected"),
    [
        (1.0, Better.LESS, Verdict.WITHIN_BUDGET),
        (1.1, Better.LESS, Verdict.WITHIN_BUDGET),
        (1.2, Better.LESS, Verdict.WITHIN_FLOOR),
        (1.4, Better.LESS, Verdict.BELOW_FLOOR),
        (1.2, Better.MORE, Verdict.WITHIN_BUDGET),
        (1.0, Better.MORE, Verdict.BELOW_FLOOR),
    ],
)
def test_a_figure_is_judged_on_its_good_side(
    value: float, better: Better, expected: Verdict
) -> None:
    floor = 1.3 if better is Better.LESS else 1.05
    assert figures.judge(value, Budget("", "x", better, 1.1, floor)) is expected


def test_without_a_floor_the_budget_is_the_floor() -> None:
    assert figures.judge(3.4, BUDGETS["worker_cpu.peer_ratio"]) is Verdict.BELOW_FLOOR


def test_no_floor_is_stricter_than_its_budget() -> None:
    for name, budget in BUDGETS.items():
        if budget.floor is not None:
            sign = 1 if budget.better is Better.LESS else -1
            assert budget.floor * sign >= budget.budget * sign, name


def test_the_figure_is_the_median_of_ratios_not_the_ratio_of_medians() -> None:
    ours, theirs = [1.0, 10.0, 3.0], [1.0, 5.0, 1.0]
    figure = figures.measured("worker_cpu.cpu_ratio", figures.ratios(ours, theirs))
    assert figure.value == 2.0
    assert figure.rounds == (1.0, 2.0, 3.0)


def test_a_row_that_is_not_built_has_its_lines_and_no_numbers() -> None:
    missing = figures.missing("memory", Verdict.NOT_BUILT, "later")
    assert [figure.name for figure in missing] == [
        "memory.queued_job_bytes",
        "memory.window_recipient_bytes",
    ]
    assert all(figure.value is None for figure in missing)


def test_the_readme_keeps_what_stands_around_its_table() -> None:
    text = f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n"
    once = report.put_between_markers(text, "| new |")
    assert once == f"above\n{report.BEGIN}\n\n| new |\n\n{report.END}\nbelow\n"
    assert report.put_between_markers(once, "| new |") == once


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="markers"):
        report.put_between_markers("nothing here", "| new |")


def test_a_partial_run_replaces_only_its_own_rows() -> None:
    old = a_record("bare.default_200_us", "memory.queued_job_bytes")
    fresh = a_record("bare.tuned_200_us")
    merged = report.merged(old, fresh, {"bare_client"})
    assert [figure.name for figure in merged.figures] == [
        "memory.queued_job_bytes",
        "bare.tuned_200_us",
    ]


def test_figures_of_another_machine_do_not_stay() -> None:
    old = a_record("memory.queued_job_bytes", cpu="another")
    fresh = a_record("bare.tuned_200_us")
    assert report.merged(old, fresh, set()).figures == fresh.figures


def a_record(*names: str, cpu: str = "this") -> Record:
    """Return a record with one figure per name."""
    return Record(
        machine=Machine(
            cpu=cpu,
            cores=2,
            memory_gb=1,
            system="",
            python="",
            redis="",
            load_before=0,
            packages={},
        ),
        started_at="",
        smoke=False,
        settings={},
        figures=[a_figure(name) for name in names],
    )


def a_figure(name: str) -> Figure:
    """Return a figure without a budget."""
    return figures.for_reference(name, name, "x", [1.0])
