"""What runs: an API, workers, the simulator of Meta, the demo; and how they stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import structlog
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapters.clock import Clock
from adapters.demo.play import demo
from adapters.demo.stage import DemoError
from adapters.house.api_side import open_api
from adapters.house.doctor import examine
from adapters.house.findings import Finding, State
from adapters.house.places import PlaceError
from adapters.house.serving import AddressError, listening_at
from adapters.house.shared import open_house
from adapters.house.supervisor import Supervisor
from adapters.house.worker_side import open_worker, tune_collector
from adapters.logs import configure_logs
from adapters.redis.connect import RedisAddressError
from adapters.redis.embedded import EmbeddedServer, EmbeddedServerError
from adapters.redis.fitness import UnfitServerError
from adapters.sandbox.scenario import ScenarioError, World
from adapters.sandbox.server import Sandbox
from adapters.settings import Settings, SettingsError, effective, load_settings, settings_warnings
from engine.errors import EngineError

FAILED = 1
WRONG_USAGE = 2
PORT_MAX = 65_535
REFUSALS = (
    *(AddressError, EmbeddedServerError, PlaceError, UnfitServerError),
    *(RedisAddressError, ScenarioError, EngineError),
)

log = structlog.get_logger("penstock")
errors = Console(stderr=True, highlight=False, soft_wrap=True)


Flags = dict[str, object]

JSON_LOG: Flags = {"log": "json"}


def start(flags: Flags, *, has_api: bool, has_worker: bool, as_json: bool = False) -> None:
    """Run until SIGTERM or SIGINT, then drain and stop; `as_json`: all it says is JSON lines."""
    with plainly():
        settings = load_settings(flags | JSON_LOG if as_json else flags)
        configure_logs(settings.log)
        for warning in settings_warnings(settings):
            log.warning("settings", warning=warning)
        with ledger_server(settings) as url:
            parts = {"has_api": has_api, "has_worker": has_worker, "as_json": as_json}
            run_loop(_live(settings, url, **parts))


def start_workers(flags: Flags, processes: int, *, as_json: bool = False) -> None:
    """Run workers side by side, each in a process of its own; who dies is started again."""
    with plainly():
        settings = load_settings(flags | JSON_LOG if as_json else flags)
        configure_logs(settings.log)
        as_told = ["--json"] if as_json else []
        program = [sys.executable, "-m", "adapters.main", "worker", *as_told, "--metrics-listen"]
        commands = [[*program, each] for each in addresses_of(settings, processes)]
        with ledger_server(settings) as url:
            # The address is not an argument: it may hold a password.
            supervisor = Supervisor(commands, os.environ | {"PENSTOCK_REDIS_URL": url})
            if not asyncio.run(supervisor.run()):
                raise typer.Exit(FAILED)


def addresses_of(settings: Settings, processes: int) -> list[str]:
    """Return where each of several workers listens: one port after the other, or each any."""
    host, first = settings.metrics_address
    host = f"[{host}]" if ":" in host else host
    ports = [first + place if first else 0 for place in range(processes)]
    if ports[-1] > PORT_MAX:
        remedy = f"lower its port: {processes} processes need as many from there on"
        raise SettingsError([f"metrics_listen = {settings.metrics_listen}: {remedy}"])
    return [f"{host}:{port}" for port in ports]


def show_settings(*, as_json: bool) -> None:
    """Print the settings in force, secrets masked."""
    with plainly():
        settings = load_settings()
    rows = effective(settings)
    if as_json:
        shown = {row.name: {"value": row.shown, "source": row.source} for row in rows}
        typer.echo(json.dumps(shown))
        return
    table = Table("setting", "value", "from", "default")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    for warning in settings_warnings(settings):
        errors.print(f"[yellow]warning[/yellow]: {escape(str(warning))}")


def play_doctor(*, as_json: bool) -> bool:
    """Look at everything an operator can get wrong; return whether nothing fails."""
    try:
        settings = load_settings()
        with ledger_server(settings, has_log=False) as url, asyncio.Runner() as runner:
            findings = runner.run(examine(settings, url))
    except SettingsError as error:
        findings = [
            Finding("settings", State.FAIL, problem, "Correct it; `penstock config` shows all.")
            for problem in error.problems
        ]
    except EmbeddedServerError as error:
        remedy = "Do that, or set PENSTOCK_REDIS_URL to a server of your own."
        findings = [Finding("redis", State.FAIL, str(error), remedy)]
    if as_json:
        typer.echo(json.dumps({"findings": [asdict(each) for each in findings]}))
    else:
        _print_findings(findings)
    return all(each.state is not State.FAIL for each in findings)


def _print_findings(findings: list[Finding]) -> None:
    colours = {State.OK: "green", State.WARN: "yellow", State.FAIL: "red"}
    console = Console(highlight=False, soft_wrap=True)
    for each in findings:
        colour = colours[each.state]
        mark = f"[{colour}]{each.state.value:4}[/{colour}]"
        console.print(f"{mark} [bold]{escape(each.subject)}[/bold]: {escape(each.found)}")
        if each.remedy:
            console.print(f"     → {escape(each.remedy)}")


def start_sandbox(scenario: Path, port: int, seed: int, *, as_json: bool) -> None:
    """Run the simulator of Meta alone."""
    with plainly():
        run_loop(_sandbox(World.load(scenario), port, seed, as_json=as_json))


def play_demo(file: Path | None, *, as_json: bool) -> bool:
    """Send a real campaign through a simulated Meta; return whether no rule was broken."""
    console, tell = (errors, _echo) if as_json else (Console(), None)
    with plainly(), asyncio.Runner() as runner:
        try:
            return runner.run(demo(file, console, tell))
        except DemoError as error:
            errors.print(f"[red]failed[/red]: {escape(str(error))}")
            return False


@contextmanager
def plainly() -> Generator[None]:
    """Say in a sentence what keeps a program from running, with its remedy, and end it."""
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            errors.print(f"[red]wrong setting[/red]: {escape(str(problem))}")
        raise SystemExit(WRONG_USAGE) from error
    except REFUSALS as error:
        errors.print(f"[red]cannot start[/red]: {escape(str(error))}")
        raise SystemExit(FAILED) from error


@contextmanager
def ledger_server(settings: Settings, *, has_log: bool = True) -> Generator[str]:
    """Give the address of the ledger's server; the embedded one is started and stopped here."""
    if settings.redis_url != "embedded":
        yield settings.redis_url
        return
    server = EmbeddedServer(settings.data_dir / "redis")
    server.start()
    try:
        yield server.url
    finally:
        was_ours = server.is_owner  # else it goes on, for whoever started it
        took_s = server.stop()  # it writes its file: on a busy disk that takes longest of all
        if has_log and was_ours:
            log.info("ledger_stopped", took_s=round(took_s, 1))


def run_loop(program: Coroutine[Any, Any, None]) -> None:
    """Run a program on the fastest loop there is."""
    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        runner.run(program)


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 (an extra that need not be there)
    except ImportError:
        return None
    make: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return make


async def _live(
    settings: Settings, url: str, *, has_api: bool, has_worker: bool, as_json: bool
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        # A worker's words go to a log, where a key has no business.
        house = await stack.enter_async_context(open_house(settings, url, makes_key=has_api))
        if house.made_key:
            _show_key(house.made_key, as_json=as_json)
        if has_api:
            await stack.enter_async_context(open_api(house))
        if has_worker:
            await stack.enter_async_context(open_worker(house, is_alone=not has_api))
        tune_collector()
        listen = settings.listen if has_api else settings.metrics_listen
        log.info("started", listen=listen, api=has_api, worker=has_worker, pid=os.getpid())
        await stop.wait()
        house.is_draining = True
        log.info("stopping")


async def _sandbox(world: World, port: int, seed: int, *, as_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    judge = Sandbox(world, now_ms=Clock().now_ms, rng=Random(seed))  # noqa: S311 (luck to replay)
    try:
        with listening_at(f"127.0.0.1:{port}", "--port"):
            url = await judge.start(port=port)
        if as_json:
            _echo({"url": url, "report": f"{url}/_sandbox/report"})
        else:
            Console().print(f"sandbox on {url}; report: {url}/_sandbox/report")
        await stop.wait()
    finally:
        await judge.stop()


def _echo(told: dict[str, object]) -> None:
    """Print one line of JSON at once."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _show_key(key: str, *, as_json: bool) -> None:
    """Show the first key, once: only its hash is kept."""
    if as_json:
        _echo({"made_api_key": key})
        return
    sys.stdout.write(
        f"An admin key was made; it is shown this once:\n\n  export PENSTOCK_API_KEY={key}\n\n"
    )
    sys.stdout.flush()
