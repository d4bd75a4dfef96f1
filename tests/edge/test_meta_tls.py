"""Letters over TLS, as they really leave: whole, and to nobody who cannot prove who he is."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.meta.client import MetaClient, build_session
from engine.outcomes import Accepted, Outcome, Unwritten
from tests.edge.meta_graph import NOW_MS, TOKEN, WAMID, a_letter, recorded

HOST = "localhost"
SIZES = (30, 60_000, 70_000, 3_000_000, 30)  # bytes; more than a TLS record, than any buffer
uvloop = pytest.importorskip("uvloop")
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return a certificate that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@asynccontextmanager
async def a_graph(certificate: tuple[Path, Path], sizes: list[int]) -> AsyncGenerator[str]:
    """Give the address of a Graph API that notes how large each body was."""

    async def take(request: web.Request) -> web.Response:
        sizes.append(len(await request.read()))
        return web.Response(body=recorded("answer_accepted"), content_type="application/json")

    app = web.Application(client_max_size=max(SIZES) + 1)
    app.router.add_post("/{path:.*}", take)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _sent(url: str, trusted: ssl.SSLContext | None) -> list[Outcome]:
    async with build_session(trusted) as session:
        client = MetaClient(
            session,
            graph_url=url,
            graph_version="v25.0",
            token_of=lambda _sender: TOKEN,
            now_ms=lambda: NOW_MS,
            objection=lambda _job: "",
        )
        return [await client.send(a_letter(body=b"x" * size)) for size in SIZES]


@pytest.mark.parametrize("make_loop", LOOPS, ids=["asyncio", "uvloop"])
def test_letters_of_any_size_leave_whole(
    make_loop: Callable[[], asyncio.AbstractEventLoop], certificate: tuple[Path, Path]
) -> None:
    sizes: list[int] = []

    async def play() -> list[Outcome]:
        async with a_graph(certificate, sizes) as url:
            return await _sent(url, ssl.create_default_context(cafile=certificate[0]))

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(play()) == [Accepted(WAMID)] * len(SIZES)
    assert sizes == [*SIZES]


async def test_nothing_is_told_to_whom_nobody_vouches_for(certificate: tuple[Path, Path]) -> None:
    sizes: list[int] = []
    async with a_graph(certificate, sizes) as url:
        outcomes = await _sent(url, None)
    assert all(outcome == Unwritten("unreachable") for outcome in outcomes)
    assert sizes == []
