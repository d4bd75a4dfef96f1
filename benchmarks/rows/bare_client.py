"""Bare aiohttp with the default and with a tuned collector, alternating: the reference line."""

from benchmarks import programs
from benchmarks.figures import Better, Figure, for_reference, ratios
from benchmarks.programs import Command
from benchmarks.rig import Rig, Span, alternate

NAME = "bare_client"
LABELS = {"default": "default collector", "tuned": "tuned collector"}


def bare_command(rig: Rig, *, in_flight: int = 200, gc: str = "default") -> Command:
    """Return how to start bare aiohttp against the rig's sink, until it is ended."""
    return programs.python(
        "-m", "benchmarks.bare", "--url", rig.place.graph_url, "--seconds", "0",
        "--in-flight", str(in_flight), "--gc", gc,
    )  # fmt: skip


async def bare_span(
    rig: Rig, *, seconds: float, in_flight: int = 200, gc: str = "default", latency_ms: float = 0
) -> Span:
    """Measure one round of bare aiohttp."""
    await rig.reset_sink(latency_ms=latency_ms)
    async with rig.running(bare_command(rig, in_flight=in_flight, gc=gc)) as program:
        return await rig.span(program, seconds=seconds, warm_s=1.5)


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return sends/s and CPU per send at 200 in flight (0 ms) and 1,000 in flight (50 ms)."""
    figures: list[Figure] = []
    for in_flight, latency_ms in ((200, 0), (1_000, 50)):

        async def one(gc: str, in_flight: int = in_flight, latency_ms: int = latency_ms) -> Span:
            return await bare_span(
                rig,
                seconds=0.5 if smoke else 3,
                in_flight=in_flight,
                gc=gc,
                latency_ms=latency_ms,
            )

        spans = await alternate(
            1 if smoke else 5, {"default": lambda: one("default"), "tuned": lambda: one("tuned")}
        )
        figures += _figures(spans, f"{in_flight} in flight, {latency_ms} ms", in_flight)
    return figures


def _figures(spans: dict[str, list[Span]], setting: str, in_flight: int) -> list[Figure]:
    figures: list[Figure] = []
    for gc, rounds in spans.items():
        share = max(span.core_share for span in rounds)
        figures += [
            for_reference(
                f"bare.{gc}_{in_flight}_per_s",
                f"bare aiohttp, {LABELS[gc]}, {setting}",
                "sends/s",
                [span.sends_per_s for span in rounds],
                better=Better.MORE,
                note=f"core share up to {share:.2f}, sink {rounds[0].sink_share:.2f}",
            ),
            for_reference(
                f"bare.{gc}_{in_flight}_us",
                f"bare aiohttp, {LABELS[gc]}, {setting}: CPU",
                "µs/send",
                [span.worker_us_per_send for span in rounds],
            ),
        ]
    costs = {gc: [span.worker_us_per_send for span in rounds] for gc, rounds in spans.items()}
    figures.append(
        for_reference(
            f"bare.gc_ratio_{in_flight}",
            f"bare aiohttp, tuned / default collector, {setting}: CPU",
            "x",
            ratios(costs["tuned"], costs["default"]),
        )
    )
    return figures
