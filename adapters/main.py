"""The entry point: `penstock`, its commands that run something; each loads only what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.app import Json, app

# ruff: noqa: PLC0415 (all rooms at once take most of a second to load, and `send` needs none)

FAILED = 1
SANDBOX_PORT = 8_090
FIRST_WORLD = Path(__file__).parent / "sandbox" / "first_world.toml"

Listen = Annotated[str | None, typer.Option(help="host:port of API, webhooks and metrics.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Whatever it says is JSON, a line each.")]
RedisUrl = Annotated[str | None, typer.Option(help="Where the ledger lives; `embedded` is here.")]


def main() -> None:
    """Run one command."""
    app()


@app.command("run")
def run(listen: Listen = None, redis_url: RedisUrl = None, as_json: JsonLines = False) -> None:  # noqa: FBT002 (typer's options)
    """Run API and one worker in one process."""
    from adapters import live

    flags: live.Flags = {"listen": listen, "redis_url": redis_url}
    live.start(flags, has_api=True, has_worker=True, as_json=as_json)


@app.command("serve")
def serve(listen: Listen = None, redis_url: RedisUrl = None, as_json: JsonLines = False) -> None:  # noqa: FBT002
    """Run an API process; the workers are elsewhere."""
    from adapters import live

    flags: live.Flags = {"listen": listen, "redis_url": redis_url}
    live.start(flags, has_api=True, has_worker=False, as_json=as_json)


@app.command("worker")
def worker(
    processes: Annotated[int, typer.Option(min=1, max=256, help="How many; each has a core.")] = 1,
    metrics_listen: Annotated[str | None, typer.Option(help="Of the first; the others +1.")] = None,
    redis_url: RedisUrl = None,
    as_json: JsonLines = False,  # noqa: FBT002
) -> None:
    """Run workers; the API is elsewhere. With several, one process starts anew whoever dies."""
    from adapters import live

    flags: live.Flags = {"metrics_listen": metrics_listen, "redis_url": redis_url}
    if processes == 1:
        live.start(flags, has_api=False, has_worker=True, as_json=as_json)
    else:
        live.start_workers(flags, processes, as_json=as_json)


@app.command("config")
def config(as_json: Json = False) -> None:  # noqa: FBT002 (typer's options)
    """Print the settings in force, secrets masked."""
    from adapters import live

    live.show_settings(as_json=as_json)


@app.command("doctor")
def doctor(as_json: Json = False) -> None:  # noqa: FBT002
    """Look at Redis, clock, tokens and webhooks, and say how to mend what is wrong."""
    from adapters import live

    if not live.play_doctor(as_json=as_json):
        raise typer.Exit(FAILED)


@app.command("sandbox")
def sandbox(
    scenario: Annotated[
        Path, typer.Option(help="A world as JSON or TOML; else the README's.", exists=True)
    ] = FIRST_WORLD,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="On loopback.")] = SANDBOX_PORT,
    seed: Annotated[int, typer.Option(help="The same seed, the same luck.")] = 1,
    as_json: JsonLines = False,  # noqa: FBT002
) -> None:
    """Run the simulator of Meta alone."""
    from adapters import live

    live.start_sandbox(scenario, port, seed, as_json=as_json)


@app.command("demo")
def play_demo(
    file: Annotated[Path | None, typer.Option(help="Another CSV: to, first_name, code.")] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Send a real campaign through a simulated Meta; exit 0 only if no rule was broken."""
    from adapters import live

    if not live.play_demo(file, as_json=as_json):
        raise typer.Exit(FAILED)


if __name__ == "__main__":
    main()
