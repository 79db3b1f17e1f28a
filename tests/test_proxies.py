"""nginx and Caddy, as deploy/ sets them up, in front of processes: who gets what, and how."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.city import free_port
from tests.test_deploy import DEPLOY, enabled

MEGABYTE = 1024 * 1024
NAME = "muster.example.org"
NGINX, CADDY = DEPLOY / "nginx" / "muster.conf", DEPLOY / "caddy" / "Caddyfile"
AROUND_NGINX = """
pid {folder}/nginx.pid;
error_log {folder}/error.log;
user root;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/muster.conf;
}}
"""
AROUND_CADDY = """{{
	admin 127.0.0.1:{admin}
	auto_https off
}}

"""


@dataclass(slots=True)
class Process:
    """What stands behind the proxy; `live` answers with one event and goes on when it is let."""

    name: str
    port: int = field(default_factory=free_port)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=100 * MEGABYTE)
        app.router.add_route("*", "/console/callouts/5/live", self._live)
        app.router.add_route("*", "/{rest:.*}", self._say)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        assert self.runner is not None
        await self.runner.cleanup()

    async def _say(self, request: web.Request) -> web.Response:
        body = await request.read()
        seen = {name: request.headers.get(name) for name in ("X-Forwarded-For", "Host")}
        return web.json_response({"name": self.name, "port": self.port, "body": len(body), **seen})

    async def _live(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"event: change\n\n")
        await self.go_on.wait()
        return response


@dataclass(slots=True)
class Front:
    """The proxy, and the processes behind it by their port in deploy/."""

    client: aiohttp.ClientSession
    url: str
    processes: dict[str, Process]

    async def ask(self, path: str, body: bytes = b"") -> tuple[int, dict[str, str | int]]:
        method = "POST" if body else "GET"
        said = {"Host": NAME, "X-Forwarded-For": "198.51.100.1"}
        async with self.client.request(
            method, self.url + path, data=body or None, headers=said, ssl=False
        ) as answer:
            is_ours = answer.status == 200
            return answer.status, await answer.json() if is_ours else {}


def program(name: str) -> str:
    """Skips the test where it is missing, or fails if it must be there."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        message = f"no {name} on this machine: apt-get install nginx-light caddy"
        if os.environ.get("MUSTER_REQUIRE_DEPLOY") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return path


def with_ports(file: Path, processes: dict[str, Process]) -> str:
    return re.sub(
        r"127\.0\.0\.1:(\d+)",
        lambda found: f"127.0.0.1:{processes[found.group(1)].port}",
        file.read_text(encoding="utf-8"),
    )


def certificate(folder: Path) -> None:
    """Makes fullchain.pem and privkey.pem, signed by nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@contextmanager
def nginx(folder: Path, processes: dict[str, Process]) -> Iterator[str]:
    """Its address. It returns from its start when it listens, so nobody waits."""
    path, port = program("nginx"), free_port()
    certificate(folder)
    site = with_ports(NGINX, processes).replace(f"/etc/letsencrypt/live/{NAME}", str(folder))
    site = site.replace("listen 443", f"listen 127.0.0.1:{port}")
    site = site.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    (folder / "muster.conf").write_text(site)
    (folder / "nginx.conf").write_text(AROUND_NGINX.format(folder=folder))
    command = [path, "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
    subprocess.run(command, check=True)
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        subprocess.run([*command, "-s", "stop"], check=True)


@contextmanager
def caddy(folder: Path, processes: dict[str, Process]) -> Iterator[str]:
    path, port, admin = program("caddy"), free_port(), free_port()
    site = with_ports(CADDY, processes).replace(f"\n{NAME} {{", f"\nhttp://{NAME}:{port} {{")
    file = folder / "Caddyfile"
    file.write_text(AROUND_CADDY.format(admin=admin) + site)
    around = {**os.environ, "HOME": str(folder)}
    with (folder / "log").open("w") as log:
        subprocess.run([path, "start", "--config", file], check=True, env=around, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop = [path, "stop", "--address", f"127.0.0.1:{admin}"]
        subprocess.run(stop, check=True, env=around, capture_output=True)


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
async def front(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Front]:
    start: Callable[[Path, dict[str, Process]], AbstractContextManager[str]] = request.param
    ports = [*enabled("bot"), *enabled("web")]
    processes = {port: Process("bot" if port in enabled("bot") else "web") for port in ports}
    async with AsyncExitStack() as stack:
        for process in processes.values():
            await process.start()
            stack.push_async_callback(process.stop)
        url = stack.enter_context(start(tmp_path, processes))
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Front(client, url, processes)


async def test_updates_go_to_bots_and_everything_else_to_pages(front: Front) -> None:
    for path, name in (
        ("/telegram/webhook/1", "bot"),
        ("/telegram/webhook/2", "bot"),
        ("/console/today", "web"),
        ("/api/v1/activities", "web"),
        ("/verify", "web"),
        ("/board", "web"),
    ):
        status, said = await front.ask(path)
        assert (status, said["name"], said["Host"]) == (200, name, NAME), path


async def test_the_state_of_processes_is_kept_from_outside(front: Front) -> None:
    for path in ("/metrics", "/healthz", "/readyz"):
        assert (await front.ask(path))[0] == 404


async def test_nobody_says_of_themselves_where_they_come_from(front: Front) -> None:
    assert (await front.ask("/verify"))[1]["X-Forwarded-For"] == "127.0.0.1"


async def test_only_tables_may_be_large(front: Front) -> None:
    large = bytes(3 * MEGABYTE)
    assert (await front.ask("/console/imports", large))[1]["body"] == len(large)
    assert (await front.ask("/console/activities/new", large))[0] in (413, 502)


async def test_a_live_page_comes_at_once(front: Front) -> None:
    said = {"Host": NAME, "Accept-Encoding": "gzip"}
    url = front.url + "/console/callouts/5/live"
    async with front.client.get(url, headers=said, ssl=False) as answer:
        assert (await answer.content.readline()).strip() == b"event: change"
        for process in front.processes.values():
            process.go_on.set()


async def test_a_process_that_is_gone_is_passed_over(front: Front) -> None:
    gone, left = (front.processes[port] for port in enabled("web"))
    await gone.stop()
    for _ in range(4):
        status, said = await front.ask("/verify")
        assert (status, said["port"]) == (200, left.port)


async def test_an_update_is_taken_to_the_bots_that_are_left(front: Front) -> None:
    gone, left = (front.processes[port] for port in enabled("bot"))
    await gone.stop()
    for _ in range(4):
        status, said = await front.ask("/telegram/webhook/1", b"{}")
        assert (status, said["port"]) == (200, left.port)
