"""Redis over TLS, and as a user with no more rights than docs/security.md gives it."""

import asyncio
import datetime as dt
import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis.exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.asyncio import Redis

from adapters.redis.connect import connect, disconnect
from adapters.redis.embedded import EmbeddedServer, EmbeddedServerError
from adapters.redis.fitness import check_server
from tests.architecture.source_tree import ROOT
from tests.e2e.whole_house import a_whole_house, rows
from tests.redis_servers import free_port, in_ci, require_server, server_names

ACL_LINE = re.compile(r"^ACL SETUSER (penstock .*)$", re.MULTILINE)
TODAY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """Return the files of a certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(TODAY)
        .not_valid_after(TODAY + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = directory / f"{name}.pem", directory / f"{name}.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private


@pytest.fixture
def tls_url(tmp_path: Path) -> Iterator[str]:
    """A server that speaks TLS: Debian's does, the embedded one does not."""
    if "system" not in server_names():
        pytest.skip("the embedded server has no TLS, and there is no redis-server on PATH")
    public, private = certificate(tmp_path, "server")
    port = free_port()
    directives = {
        "tls-port": str(port),
        "tls-cert-file": str(public),
        "tls-key-file": str(private),
        "tls-ca-cert-file": str(public),
        "tls-auth-clients": "no",
    }
    server = EmbeddedServer(
        *(tmp_path / "data",),
        found=require_server("system"),
        tcp_port=free_port(),
        password="of-the-test",
        directives=directives,
    )
    try:
        server.start()
    except EmbeddedServerError as error:
        if in_ci():
            raise
        pytest.skip(f"redis-server was built without TLS: {error}")
    with server:
        yield f"rediss://:of-the-test@127.0.0.1:{port}/0?ssl_ca_certs={public}"


async def test_a_campaign_goes_through_a_redis_with_tls(tls_url: str, tmp_path: Path) -> None:
    client = connect(tls_url)
    assert await check_server(client) == []
    await disconnect(client)
    async with a_whole_house(tls_url, tmp_path / "house") as whole:
        await whole.upload("c1", rows(10))
        await whole.call("POST", "/v1/campaigns/c1/start")
        assert (await whole.completed("c1"))["counts"]["accepted"] == 10


async def test_a_server_that_another_authority_vouches_for_is_not_talked_to(
    tls_url: str, tmp_path: Path
) -> None:
    other, _ = certificate(tmp_path, "other")
    for url in (
        re.sub(r"ssl_ca_certs=.*", f"ssl_ca_certs={other}", tls_url),
        tls_url.replace("127.0.0.1", "localhost"),  # not the certificate's name
    ):
        client = connect(url)
        with pytest.raises(redis.exceptions.ConnectionError, match="certificate"):
            await client.ping()
        await disconnect(client)


@pytest.fixture(params=server_names())
def lone_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server of the test's own, with a port for users that have passwords."""
    found = require_server(request.param)
    with EmbeddedServer(tmp_path / "data", found=found, tcp_port=free_port()) as server:
        yield server


def acl_words() -> list[str]:
    [words] = ACL_LINE.findall((ROOT / "docs/security.md").read_text())
    return str(words).replace("PASSWORD", "of-the-test").split()


@pytest.mark.parametrize("without", [[], ["-function|load"], ["-info", "-config|get"]], ids=str)
async def test_a_campaign_goes_through_with_the_rights_of_the_document(
    lone_server: EmbeddedServer, tmp_path: Path, without: list[str]
) -> None:
    admin = connect(lone_server.url)
    await admin.execute_command("ACL", "SETUSER", *acl_words(), *without)
    assert lone_server.tcp_url is not None
    url = "redis://penstock:of-the-test@" + lone_server.tcp_url.rpartition("@")[2]
    async with a_whole_house(url, tmp_path / "house") as whole:
        await whole.upload("c1", rows(50))
        await whole.call("POST", "/v1/campaigns/c1/start")
        status = await whole.until("c1", lambda each: each["delivery"]["delivered"] == 50)
        assert status["counts"]["accepted"] == 50
        async with whole.session.get(f"{whole.url}/metrics") as response:
            assert ("penstock_redis_durable{" in await response.text()) is ("-info" not in without)
        async with asyncio.timeout(20):
            while not list((tmp_path / "house").glob("outcomes-*")):
                await asyncio.sleep(0.1)  # exported every few seconds, with these rights too
    user = connect(url)
    assert isinstance(user, Redis)
    for forbidden in (
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("SET", "other", "1"),
        ("CONFIG", "SET", "a", "1"),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            await user.execute_command(*forbidden)
    await disconnect(user)
    denied = await admin.execute_command("ACL", "LOG")
    assert isinstance(denied, list)
    assert len(denied) <= 4 + 3 * len(without), denied
    await disconnect(admin)
