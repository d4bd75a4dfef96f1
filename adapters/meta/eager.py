"""Write a request at once, as aiohttp does by itself from Python 3.12 on.

On 3.11 aiohttp gives each body a task of its own: the first byte leaves one turn of the loop later
(20 ms on a busy worker, and then it is too late to leave at all), at a tenth of a POST's cost.
"""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Coroutine, Generator
from typing import Any, Final

from aiohttp import ClientRequest

Running = Coroutine[Any, Any, Any]

_WRITES: Final = ClientRequest.write_bytes.__code__


def write_at_once(loop: asyncio.AbstractEventLoop) -> None:
    """Have aiohttp's bodies written in the step that asks for it; other tasks stay as they are."""
    if sys.version_info < (3, 12) and loop.get_task_factory() is None:
        loop.set_task_factory(_make_task)


def _make_task(
    loop: asyncio.AbstractEventLoop,
    running: Running | Generator[Any, None, Any],
    **options: Any,  # noqa: ANN401 (asyncio's own)
) -> asyncio.Future[Any]:
    if getattr(running, "cr_code", None) is not _WRITES:
        return asyncio.Task(running, loop=loop, **options)
    done: asyncio.Future[Any] = loop.create_future()
    try:
        waits_for = running.send(None)
    except StopIteration as end:
        done.set_result(end.value)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 (as a task does: who awaits it gets it)
        done.set_exception(error)
    else:
        return asyncio.Task(_go_on(running, waits_for), loop=loop, **options)
    return done


@types.coroutine
def _go_on(running: Any, waits_for: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401
    """Finish what has begun and now waits: a socket that is full."""
    while True:
        try:
            value = yield waits_for
        except GeneratorExit:
            running.close()
            raise
        except BaseException as error:  # noqa: BLE001 (it is his)
            step, given = running.throw, error
        else:
            step, given = running.send, value
        try:
            waits_for = step(given)
        except StopIteration as end:
            return end.value
