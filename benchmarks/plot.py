"""One picture of a record: every figure against its budget and floor, and sends per CPU second."""

import math
from pathlib import Path
from typing import Any

from benchmarks.figures import BUDGETS, Better, Figure, Verdict
from benchmarks.report import RESULTS, Record, number

GOOD, FAIR, BAD, PALE = "#2a8f6d", "#e0a526", "#c8442d", "#d9dde2"
INK, PALE_INK = "#22303c", "#8a96a3"
COLOURS = {
    Verdict.WITHIN_BUDGET: GOOD,
    Verdict.WITHIN_FLOOR: FAIR,
    Verdict.BELOW_FLOOR: BAD,
}
SPEEDS = {  # figure: (label, colour)
    "bare.tuned_200_us": ("bare aiohttp, tuned collector", "#8fa3b5"),
    "bare.default_200_us": ("bare aiohttp", "#8fa3b5"),
    "worker_cpu.us": ("Penstock, every gate on", "#1f6fb2"),
    "peers.taskiq_us": ("taskiq", PALE),
    "peers.saq_us": ("saq", PALE),
}  # by CPU: a disturbed round must make nobody look slow
SHARE_MIN, SHARE_MAX = 0.1, 12.0  # of the budget; bars end there, the number stands beside


def draw(record: Record) -> list[Path]:
    """Write budgets.svg and budgets.png; return an empty list when matplotlib is missing."""
    try:
        import matplotlib as mpl  # noqa: PLC0415  an optional extra
    except ImportError:
        return []
    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415

    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "penstock", "text.color": INK})
    by_name = {figure.name: figure for figure in record.figures}
    budgeted = [by_name[name] for name in BUDGETS if name in by_name]
    speeds = [name for name in SPEEDS if name in by_name and by_name[name].value is not None]
    heights = [max(len(budgeted), 1), max(len(speeds), 1)]
    figure, (above, below) = plt.subplots(
        2,
        1,
        figsize=(10, 1.8 + 0.34 * sum(heights)),
        height_ratios=heights,
        layout=ConstrainedLayoutEngine(rect=(0, 0.03, 1, 0.97)),
    )
    _draw_budgets(above, budgeted)
    _draw_speeds(below, [(*SPEEDS[name], by_name[name]) for name in speeds])
    figure.text(0.005, 0.002, record.machine.line, fontsize=6.5, color="#6b7885", va="bottom")
    paths = [RESULTS / "budgets.svg", RESULTS / "budgets.png"]
    for path in paths:
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=130, metadata=metadata)
    plt.close(figure)
    return paths


def share_of_budget(value: float, figure: Figure) -> float:
    """Return how much of its budget a figure uses: below 1 is good, whichever side is better."""
    assert figure.budget is not None
    share = value / figure.budget if figure.better is Better.LESS else figure.budget / value
    return min(max(share, SHARE_MIN), SHARE_MAX)


def _draw_budgets(axes: Any, figures: list[Figure]) -> None:  # noqa: ANN401  matplotlib has no types
    for at, figure in enumerate(figures):
        words = f"{figure.words}  [{figure.better} {number(figure.budget)} {figure.unit}]"
        axes.text(-0.01, at, words, transform=axes.get_yaxis_transform(), ha="right", va="center")
        said = figure.verdict if figure.value is None else f"{number(figure.value)} {figure.unit}"
        ink = PALE_INK if figure.value is None else INK
        axes.text(1.01, at, said, transform=axes.get_yaxis_transform(), va="center", color=ink)
        if figure.value is not None:
            share = share_of_budget(figure.value, figure) if figure.value else SHARE_MIN
            colour = COLOURS.get(figure.verdict, PALE)
            axes.barh(at, share - 1, left=1, height=0.62, color=colour)
    for at, figure in enumerate(figures):
        if figure.floor is not None:
            floor = share_of_budget(figure.floor, figure)
            if not math.isclose(floor, 1.0):
                axes.plot([floor, floor], [at - 0.38, at + 0.38], color=BAD, linewidth=1.6)
    axes.axvline(1.0, color=INK, linewidth=1.2)
    axes.set_xscale("log")
    axes.set_xlim(SHARE_MIN * 0.9, SHARE_MAX * 1.1)
    axes.set_xticks(
        [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8], ["⅛", "¼", "½", "budget", "2 x", "4 x", "8 x"]
    )
    axes.minorticks_off()
    axes.set_title("Left of the line is room to spare; red tick: the floor", loc="left")
    _bare_frame(axes, len(figures))


def _draw_speeds(axes: Any, bars: list[tuple[str, str, Figure]]) -> None:  # noqa: ANN401
    for at, (label, colour, figure) in enumerate(bars):
        value = 1e6 / (figure.value or 1)
        axes.barh(at, value, height=0.62, color=colour)
        axes.text(value, at, f"  {number(value)}", va="center")
        axes.text(-0.01, at, label, transform=axes.get_yaxis_transform(), ha="right", va="center")
    axes.set_title("Sends per second of CPU time, one process, 200 in flight, 0 ms", loc="left")
    axes.set_xlim(0, max([1e6 / (figure.value or 1) for _, _, figure in bars], default=1) * 1.12)
    _bare_frame(axes, len(bars))


def _bare_frame(axes: Any, rows: int) -> None:  # noqa: ANN401
    axes.set_ylim(max(rows, 1) - 0.4, -0.6)
    axes.set_yticks([])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
