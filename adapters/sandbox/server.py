"""The sandbox: Meta's Cloud API on loopback, and the verdict over whoever sends through it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import msgspec
from aiohttp import web

from adapters.sandbox.codes import Refusal
from adapters.sandbox.control import ControlDesk
from adapters.sandbox.control_routes import ControlRoutes
from adapters.sandbox.management import ManagementDesk
from adapters.sandbox.media import BYTES_MAX, PLACE, MediaDesk
from adapters.sandbox.report import Report
from adapters.sandbox.rules.judge import Identity, same_words
from adapters.sandbox.scenario import Fault, Webhook, World
from adapters.sandbox.stage import Answer, Stage
from adapters.sandbox.uploads import UploadDesk

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
NOT_THERE = 33  # the phone number id is wrong or deleted: M/support/error-codes
BAD_TOKEN = 190
VERSION = r"/{version:v\d+\.\d+}"


class Sandbox:
    """A played world with an HTTP face.

    `identity` says which two sends are the same message (for `duplicate` and `retry`); by default
    the same template, recipient and parameters in one portfolio.
    """

    def __init__(
        self,
        world: World,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
        identity: Identity = same_words,
    ) -> None:
        self._plan = world
        self._now_ms = now_ms
        self._rng = rng
        self._identity = identity
        self._runner: web.AppRunner | None = None
        self._is_open = False
        self.stage = Stage(world, now_ms, rng, identity)
        self.controls = ControlDesk(self._current)
        self.management = ManagementDesk(self._current)
        self.uploads = UploadDesk(self._current)
        self.media = MediaDesk(self._current)

    def _current(self) -> Stage:
        """Return the run that is played now."""
        return self.stage

    def app(self) -> web.Application:
        """Return a new application of this sandbox; webhooks are posted while it runs."""
        app = web.Application(client_max_size=BYTES_MAX)
        ControlRoutes(self.controls, self._current, self.reset).add_to(app.router)
        desk, router = self.management, app.router
        router.add_post(f"{VERSION}/{{node}}/messages", self._messages)
        router.add_post(f"{VERSION}/{{node}}/marketing_messages", self._messages)
        router.add_get(f"{VERSION}/{{node}}/message_templates", desk.list_templates)
        router.add_post(f"{VERSION}/{{node}}/message_templates", desk.create_template)
        router.add_delete(f"{VERSION}/{{node}}/message_templates", desk.delete_templates)
        router.add_get(f"{VERSION}/{{node}}/phone_numbers", desk.list_numbers)
        router.add_post(f"{VERSION}/{{node}}/unpause", desk.unpause)
        for act in ("register", "deregister", "subscribed_apps"):
            router.add_post(f"{VERSION}/{{node}}/{act}", desk.succeed)
        router.add_get(f"{VERSION}/app", self.uploads.read_app)
        router.add_post(f"{VERSION}/{{node}}/uploads", self.uploads.open_session)
        router.add_post(f"{VERSION}/{{session:upload:.+}}", self.uploads.take)
        router.add_get(f"{VERSION}/{{session:upload:.+}}", self.uploads.read_session)
        router.add_post(f"{VERSION}/{{node}}/media", self.media.upload)
        router.add_get(PLACE + "/{node}", self.media.download)
        router.add_delete(f"{VERSION}/{{node}}", self.media.delete)
        router.add_get(f"{VERSION}/{{node}}", self._read)
        router.add_post(f"{VERSION}/{{node}}", desk.edit_node)
        router.add_route("*", VERSION + "/{rest:.*}", self._nothing)
        app.on_startup.append(self._open)
        app.on_shutdown.append(self._hurry)
        app.on_cleanup.append(self._close)
        return app

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen on loopback and return the base URL; any other host is refused."""
        if host not in LOOPBACK:
            raise ValueError(f"the sandbox listens on loopback only, not on {host}")
        self._runner = web.AppRunner(self.app(), access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound: int = self._runner.addresses[0][1]
        return f"http://{host}:{bound}"

    async def stop(self) -> None:
        """Stop listening; what was still to be posted is lost."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def settled(self) -> None:
        """Wait until every webhook due was posted or given up."""
        await self.stage.postman.drained()

    async def point_webhooks(self, webhook: Webhook) -> None:
        """Post to another address, or otherwise, from now on."""
        await self.stage.point_webhooks(webhook)

    async def reset(self, world: World | None = None) -> None:
        """Begin anew, in the same world or another; the webhook address stays if it names none."""
        former = self.stage
        plan = world or self._plan
        if not plan.webhook.url:
            webhook = msgspec.structs.replace(plan.webhook, url=former.plan.webhook.url)
            plan = msgspec.structs.replace(plan, webhook=webhook)
        await former.stop()
        self._plan = plan
        self.management.forget()
        self.media.forget()
        self.stage = Stage(plan, self._now_ms, self._rng, self._identity)
        if self._is_open:
            await self.stage.postman.start()

    def report(self) -> Report:
        """Return the verdict so far."""
        return self.stage.report()

    def send(
        self, phone_number_id: str, body: Mapping[str, object] | bytes, token: str | None = None
    ) -> Answer:
        """Send without HTTP; faults of the road are named in the answer and not acted out.

        Without `token` the number's own is assumed. Needs a running loop only where something
        happens later (webhooks, held messages, late errors).
        """
        number = self.stage.world.numbers.get(phone_number_id)
        if number is None:
            return self.stage.refuse(Refusal(NOT_THERE, "Unknown phone number id"))
        if token is not None and number.authorization != f"Bearer {token}":
            return self.stage.refuse(Refusal(BAD_TOKEN))
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self.stage.take(number, raw)

    async def _open(self, _app: web.Application) -> None:
        """Begin to post webhooks."""
        self._is_open = True
        await self.stage.postman.start()

    async def _hurry(self, _app: web.Application) -> None:
        """Let no slow answer hold the shutdown up."""
        self.stage.hurry()

    async def _close(self, _app: web.Application) -> None:
        """End all that would still happen."""
        self._is_open = False
        await self.stage.stop()

    async def _read(self, request: web.Request) -> web.Response:
        """GET a node: a file's address, or what the management calls know."""
        desk = self.media if self.media.knows(request.match_info["node"]) else None
        return await (desk.read(request) if desk else self.management.read_node(request))

    async def _nothing(self, request: web.Request) -> web.Response:
        """Refuse a call that is none of ours in Meta's shape."""
        detail = f"Unsupported {request.method.lower()} request"
        return _response(self.stage.refuse(Refusal(NOT_THERE, detail)))

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        """POST one message."""
        stage = self.stage
        number = stage.world.numbers.get(request.match_info["node"])
        if number is None:
            return _response(stage.refuse(Refusal(NOT_THERE, "Unknown phone number id")))
        if stage.faults.resets(number.id, self._now_ms()):
            return _cut(request)
        if request.headers.get("Authorization") != number.authorization:
            return _response(stage.refuse(Refusal(BAD_TOKEN)))
        answer = stage.take(
            number,
            await request.read(),
            is_marketing_only=request.path.endswith("/marketing_messages"),
        )
        if answer.first_status is not None:
            await stage.postman.post_now(number, answer.first_status)
        if answer.faults:
            return await self._spoil(request, answer)
        return _response(answer)

    async def _spoil(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        """Answer as badly as the faults of the road want it."""
        for fault in answer.faults:
            delay_ms = self._delay_ms(fault, answer)
            if delay_ms:
                await self.stage.pause(delay_ms)
            elif fault.kind == "silence":
                return _cut(request)
            if fault.kind == "truncated":
                return _response(answer, answer.body[: len(answer.body) // 2])
        return _response(answer)

    def _delay_ms(self, fault: Fault, answer: Answer) -> int:
        """Return how long the answer waits for a fault."""
        if fault.kind not in {"latency", "silence"} or answer.send is None:
            return 0
        return self.stage.faults.length_ms(fault, answer.send)


def _response(answer: Answer, body: bytes | None = None) -> web.Response:
    """Return the HTTP response of an answer."""
    return web.Response(
        status=answer.status,
        body=answer.body if body is None else body,
        headers=answer.headers,
        content_type=answer.content_type,
    )


def _cut(request: web.Request) -> web.StreamResponse:
    """Cut the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
